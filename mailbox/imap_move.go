package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
)

var (
	errNoMove = errors.New("the server has neither MOVE nor UIDPLUS: taken messages stay where they are")
	errCopied = errors.New("copied to the processed folder, and the original could not be removed")
)

// canMove reports whether the server has a way of moving exactly the messages
// that we name. A plain EXPUNGE would take every message with it that somebody
// else marked as deleted.
func (s *session) canMove() bool {
	return s.caps.Has(imap.CapMove) || s.caps.Has(imap.CapUIDPlus)
}

// move puts messages of a folder into the processed folder and says how many
// went. It does nothing to a folder that was re-created: the UIDs name other
// messages there.
func (s *session) move(ctx context.Context, folder string, validity uint32, uids []uint32) (moved int, err error) {
	data, err := s.open(ctx, folder, false)
	if err != nil || data.UIDValidity != validity {
		return 0, err
	}
	moved, err = s.moveGroups(ctx, uids, chunkMessages)
	return moved, inFolder(err, folder)
}

// moveGroups moves size messages a command. One that is refused must not hold
// the others, so its group is tried again one by one; what holds for all, such
// as a quota, is given up after three refusals.
func (s *session) moveGroups(ctx context.Context, uids []uint32, size int) (moved int, last error) {
	refusals := 0
	for group := range slices.Chunk(uids, size) {
		n, err := len(group), s.moveGroup(ctx, group)
		if size > 1 && classOf(err) == ClassMove && !errors.Is(err, errCopied) {
			n, err = s.moveGroups(ctx, group, 1)
		} else if err != nil {
			n = 0
		}
		moved += n
		if err != nil {
			last = err
			if refusals++; refusals == 3 || classOf(err) != ClassMove || errors.Is(err, errCopied) {
				break
			}
		}
	}
	return moved, last
}

// moveGroup never uses the fallback of the client's own Move, which marks and
// expunges without waiting whether COPY went well: a full processed folder
// would delete the mail. Here each step waits for the one before.
func (s *session) moveGroup(ctx context.Context, uids []uint32) error {
	set, dest := uidSet(uids), s.account.Processed
	if s.caps.Has(imap.CapMove) {
		return s.op(ctx, ClassMove, "moving", 0, func() error {
			_, err := s.c.Move(set, dest).Wait()
			return err
		})
	}
	err := s.op(ctx, ClassMove, "copying", 0, func() error {
		_, err := s.c.Copy(set, dest).Wait()
		return err
	})
	if err != nil {
		return err
	}
	err = s.op(ctx, ClassMove, "marking a copied message", 0, func() error {
		return s.c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close()
	})
	if err == nil {
		err = s.op(ctx, ClassMove, "expunging a copied message", 0, func() error { return s.c.UIDExpunge(set).Close() })
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Class == ClassMove {
		e.Err = fmt.Errorf("%w: %w", errCopied, e.Err)
	}
	return err
}
