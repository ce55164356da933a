// Package api is how staff programs talk to the daemon: HTTP and JSON over a
// Unix socket. The daemon implements [Backend] and gives it to a [Server]; vdp
// uses [Client], which has the same methods.
//
// Who calls is a fact of the kernel (SO_PEERCRED), learnt once per connection,
// never a claim of the caller. The socket's mode keeps strangers from
// connecting at all, the server refuses users that the configuration does not
// name, and the Backend decides what a person may read or do. Requests that a
// web browser could have been tricked into making are refused.
//
//	GET  /v1/cases?all=true&limit=N        List
//	GET  /v1/cases/REF                     View
//	GET  /v1/cases/REF/items/N/raw         the mail as it arrived; N counts from 0
//	POST /v1/cases/REF/actions             triage.Action -> Result
//	GET  /v1/status                        Status
//
// An answer other than 200 is {"error":{"code":...,"message":...}}. Fields may
// be added to /v1; a change of meaning makes it /v2.
//
// Start reading at [Backend], then [Server.Serve]. A Server runs a goroutine
// for each connection; when Serve returns none of them takes another request,
// and one that overran the grace has its context cancelled. A Client's end with
// [Client.Close].
package api
