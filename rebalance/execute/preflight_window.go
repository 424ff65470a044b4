package execute

// checkWindow blocks outside of the maintenance windows.
func checkWindow(s Situation) (Answer, string) {
	if s.WindowOpen == nil {
		return Skip, "no maintenance windows are configured"
	}
	open, why := s.WindowOpen(s.Now)
	if !open {
		if why == "" {
			why = "no maintenance window is open"
		}
		return Block, why
	}
	return Ok, ""
}
