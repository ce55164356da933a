package store

import "os"

// maxOrphans is how many blobs without a commit crashes can explain: each
// leaves one. More of them mean that state.db is older than the blobs, as after
// restoring half a backup, and then removing them would destroy mails.
const maxOrphans = 16

// sweep removes what a crash left between a durable blob and the commit that
// would have named it.
func (s *Store) sweep() error {
	paths, err := s.orphanBlobs()
	if err != nil {
		return err
	}
	if len(paths) > maxOrphans {
		s.opt.Log.Error("there are more raw mails than state.db knows of, and none is removed; was an older state.db restored?", "mails", len(paths))
		return nil
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// orphanBlobs returns the paths of files that no event names.
func (s *Store) orphanBlobs() (paths []string, err error) {
	known := map[digest]bool{}
	err = s.view(func(t txn) error {
		return t.Bucket([]byte(bucketBlobs)).ForEach(func(k, _ []byte) error {
			if len(k) == len(digest{}) {
				known[digest(k)] = true
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	err = s.files(func(path string, id *digest) error {
		if id == nil || !known[*id] {
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}
