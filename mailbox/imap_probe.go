package mailbox

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// ProbeReport is what [Probe] found.
type ProbeReport struct {
	Idle    bool // without it new mail is seen at the next poll only
	Move    bool
	UIDPlus bool // Move and UIDPlus both missing: processed messages stay where they are
	Folders []FolderReport
}

// FolderReport is what [Probe] found about one folder.
type FolderReport struct {
	Name     string
	Messages uint32
	Created  bool // it was missing and was created just now
}

// Probe connects, logs in and opens every folder of the account, as the daemon
// would, for "vdpd check". Folders to read must be there; the processed folder
// and the report folder are created when missing, because that alone proves
// that they can be. Nothing else on the server changes.
//
// It returns an [*Error] for the first thing that is wrong, together with what
// was found until then.
func Probe(ctx context.Context, a Account) (ProbeReport, error) {
	var report ProbeReport
	a, err := a.complete()
	if err != nil {
		return report, err
	}
	s, err := connect(ctx, a)
	if err != nil {
		return report, err
	}
	defer s.close()
	report.Idle = s.caps.Has(imap.CapIdle)
	report.Move = s.caps.Has(imap.CapMove)
	report.UIDPlus = s.caps.Has(imap.CapUIDPlus)
	created := map[string]bool{}
	for _, folder := range a.ownFolders() {
		if created[folder], err = s.ensure(ctx, folder); err != nil {
			return report, err
		}
	}
	for _, folder := range append(a.readFolders(), a.Processed) {
		data, err := s.open(ctx, folder, true)
		if err != nil {
			return report, err
		}
		report.Folders = append(report.Folders, FolderReport{Name: folder, Messages: data.NumMessages, Created: created[folder]})
	}
	return report, nil
}
