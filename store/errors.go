package store

import (
	"errors"
	"fmt"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

// The decisions that a caller may take on an error. Each text is a plain
// sentence for the operator, with the next step; none holds content of a mail.
var (
	// ErrNoStore: the directory holds no store and Options.Create was not set.
	ErrNoStore = errors.New("there is no store here (check the directory in the configuration; a new installation creates one with `vdpd init`)")
	// ErrIncomplete: one of state.db and keys.db is there without the other,
	// or the two belong to different stores.
	ErrIncomplete = errors.New("state.db and keys.db do not belong together (restore the missing or exchanged file from a backup of this store)")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("another process is using this store (is vdpd running already? `vdp` talks to it through its socket)")
	// ErrNewerSchema: a newer program wrote the store. Nothing was changed.
	ErrNewerSchema = errors.New("the store was written by a newer vdpd (install that version, or restore a backup from before the upgrade)")
	// ErrWrongKey: the master key is not the one of this store. Nothing was changed.
	ErrWrongKey = errors.New("the master key is not the one this store was made with (supply the right key file or credential)")
	// ErrTruncated: a file is shorter than it says.
	ErrTruncated = errors.New("the file is cut short (restore it from a backup)")
	// ErrDamaged: a file, record or blob is there and cannot be what was written.
	ErrDamaged = errors.New("the store is damaged (stop vdpd, run `vdpd verify` and restore from a backup)")
	// ErrFull: no space left. Wrapped in ErrUnsafe where a commit met it.
	ErrFull = errors.New("the disk is full (make room, then start vdpd again)")
	// ErrUnsafe: the disk refused a durable write, so nobody knows what is on
	// it. The store refuses every further write; the process must stop and
	// open the store afresh.
	ErrUnsafe = errors.New("a write did not reach the disk, and the store takes no further ones (look at the disk, then restart vdpd)")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")

	// ErrNoCase: there is no case of that reference.
	ErrNoCase = errors.New("no such case")
	// ErrNoItem: the case has no mail of that number, or no raw mail for it.
	ErrNoItem = errors.New("the case has no such mail")
	// ErrErased: the case was erased; its skeleton is all that remains.
	ErrErased = errors.New("the case was erased")
	// ErrStale: what Known said no longer holds, because another commit came
	// between. Nothing was written: read Known again and decide again.
	ErrStale = errors.New("the store changed since the decision was made")
	// ErrTaken: this UID has its disposition already. Nothing was written;
	// the message is done.
	ErrTaken = errors.New("this message was committed before")
)

// diskError gives an error of the operating system the sentence it deserves.
func diskError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	case errors.Is(err, berrors.ErrTimeout):
		return ErrLocked
	}
	return err
}
