package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	authn "k8s.io/api/authentication/v1"
	authz "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tidetable/tidetable/policy"
)

// ErrUnauthenticated says that a token is nobody's.
var ErrUnauthenticated = errors.New("authenticating: the token is not valid")

// User is who a token belongs to.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string]authz.ExtraValue
}

// Audience is whom a token for the page alone is made for:
//
//	kubectl create token NAME --audience tidetable
const Audience = "tidetable"

// Reviewer asks the API server who a token is and what that person may do. The
// token is never logged and never part of an error.
type Reviewer struct {
	Client kubernetes.Interface
	// Own takes tokens for Audience alone, which are worth nothing at the API
	// server. Else those for the API server are taken, too; never those for others.
	Own bool
}

// WhoIs authenticates a bearer token by TokenReview.
func (r Reviewer) WhoIs(ctx context.Context, token string) (User, error) {
	u, err := r.review(ctx, token, []string{Audience})
	if errors.Is(err, ErrUnauthenticated) && !r.Own {
		return r.review(ctx, token, nil) // the API server's own audience
	}
	return u, err
}

func (r Reviewer) review(ctx context.Context, token string, audiences []string) (User, error) {
	out, err := r.Client.AuthenticationV1().TokenReviews().Create(ctx,
		&authn.TokenReview{Spec: authn.TokenReviewSpec{Token: token, Audiences: audiences}}, metav1.CreateOptions{})
	if err != nil {
		return User{}, fmt.Errorf("reviewing a token: %w", err)
	}
	if !out.Status.Authenticated {
		return User{}, ErrUnauthenticated
	}
	// A server that knows no audiences says yes to a token for whomever.
	if audiences != nil && !slices.Contains(out.Status.Audiences, Audience) {
		return User{}, ErrUnauthenticated
	}
	u := User{
		Name:   out.Status.User.Username,
		UID:    out.Status.User.UID,
		Groups: out.Status.User.Groups,
		Extra:  map[string]authz.ExtraValue{},
	}
	for k, v := range out.Status.User.Extra {
		u.Extra[k] = authz.ExtraValue(v)
	}
	return u, nil
}

// May tells by SubjectAccessReview whether a user may do verb to a policy:
// approve, hold and resume are verbs of our own on kafkacapacitypolicies.
func (r Reviewer) May(ctx context.Context, u User, verb, namespace, name string) (bool, error) {
	out, err := r.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authz.SubjectAccessReview{
		Spec: authz.SubjectAccessReviewSpec{
			User: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra,
			ResourceAttributes: &authz.ResourceAttributes{
				Group: policy.Group, Version: policy.Version, Resource: policy.Plural,
				Verb: verb, Namespace: namespace, Name: name,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("reviewing the rights of %s: %w", u.Name, err)
	}
	return out.Status.Allowed && !out.Status.Denied, nil
}
