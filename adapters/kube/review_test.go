package kube

import (
	"errors"
	"slices"
	"testing"

	authn "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// A token that was made for somebody else is not taken, whatever it may elsewhere.
func TestATokenForSomebodyElseIsNobodys(t *testing.T) {
	client := fake.NewClientset()
	var asked [][]string
	client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authn.TokenReview)
		asked = append(asked, review.Spec.Audiences)
		out := review.DeepCopy()
		switch token := review.Spec.Token; {
		case token == "page" && slices.Contains(review.Spec.Audiences, Audience):
			out.Status = authn.TokenReviewStatus{Authenticated: true, Audiences: []string{Audience}, User: authn.UserInfo{Username: "ann"}}
		case token == "cluster" && len(review.Spec.Audiences) == 0:
			out.Status = authn.TokenReviewStatus{Authenticated: true, User: authn.UserInfo{Username: "ann"}}
		case token == "vault" && len(review.Spec.Audiences) > 0: // from a server that knows no audiences
			out.Status = authn.TokenReviewStatus{Authenticated: true, User: authn.UserInfo{Username: "ann"}}
		}
		return true, out, nil
	})
	for _, c := range []struct {
		token string
		own   bool
		want  bool
	}{
		{"page", false, true}, {"page", true, true}, {"cluster", false, true}, {"cluster", true, false},
		{"vault", false, false}, {"vault", true, false}, {"nobody's", false, false},
	} {
		u, err := Reviewer{Client: client, Own: c.own}.WhoIs(t.Context(), c.token)
		if got := err == nil && u.Name == "ann"; got != c.want || err != nil && !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s, own %v: %+v, %v", c.token, c.own, u, err)
		}
	}
	if !slices.Equal(asked[0], []string{Audience}) {
		t.Errorf("asked for %v first", asked[0])
	}
}

func TestOurTokenGoesNowhereInTheClear(t *testing.T) {
	for _, c := range []struct {
		cfg rest.Config
		ok  bool
	}{
		{rest.Config{Host: "https://10.0.0.1", BearerToken: "x"}, true},
		{rest.Config{Host: "http://10.0.0.1"}, true},
		{rest.Config{Host: "http://127.0.0.1:8001", BearerToken: "x"}, true},
		{rest.Config{Host: "http://localhost:8001", BearerTokenFile: "/x"}, true},
		{rest.Config{Host: "http://10.0.0.1", BearerToken: "x"}, false},
		{rest.Config{Host: "http://api.example.org", BearerTokenFile: "/x"}, false},
	} {
		if err := guardsCredentials(&c.cfg); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.cfg.Host, err)
		}
	}
}
