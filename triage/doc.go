// Package triage holds the rules of the vulnerability-disclosure mailbox: what
// becomes of a message, which clocks a report starts, who is told, and what
// staff may do with a case.
//
// It is pure. It does no I/O, keeps no state, logs nothing and never asks for
// the time: every entry point takes now as an argument and returns a [Change],
// the complete description of what is to be written in one commit. Equal
// arguments give equal changes.
//
// Start reading at [Policy.Intake], which decides about one inbound message,
// then [Policy.Act] for what staff do, then [Case.Apply], which folds the
// events of a change into the case.
//
// Everything a sender controls is held in [Secret], a string that prints as
// "[redacted]" wherever it is formatted by accident.
package triage
