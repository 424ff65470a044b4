package world

type recorder struct{}

func (r *recorder) record(*World) {}
