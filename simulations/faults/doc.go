// Package faults holds the loop, its operations and the mover to what must never
// happen, whatever happens to them: processes that are killed in the middle of
// anything, holds, windows, other modes, edited policies, a person's hand on the
// size, lost Leases, clocks that go back and an API that answers with the past.
// It has tests only; what a seeded run does is judged by the world itself, never
// by what the loop believes.
package faults
