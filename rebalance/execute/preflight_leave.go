package execute

// checkLeave blocks while whoever runs the mover does not let it begin: a
// maintenance window is closed, the policy holds, another process leads.
func checkLeave(s situation) (Answer, string) {
	switch {
	case !s.MayAsked:
		return Skip, "nobody has a say in it"
	case s.May != nil:
		return Block, s.May.Error()
	}
	return Ok, ""
}
