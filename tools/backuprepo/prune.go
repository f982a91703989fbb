package backuprepo

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
)

// Garbage is what no backup needs.
type Garbage struct {
	Names []string
	Bytes int64
}

// FindGarbage returns the chunks that none of the backups but those named needs. A
// backup that cannot be read is an error: nobody knows what it needs. The caller holds the
// repository alone, or only wants to know.
func (r *Repository) FindGarbage(ctx context.Context, without map[string]bool) (*Garbage, error) {
	list, err := r.Backups(ctx)
	if err != nil {
		return nil, err
	}
	needed := map[chunk.ID][]backup.Hash{}
	for _, l := range list {
		if without[l.Name] {
			continue
		}
		d, err := r.Backup(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		for _, p := range d.Parts {
			for _, c := range p.Chunks {
				needed[c.ID] = addHash(needed[c.ID], c.Hash)
			}
		}
	}
	g := &Garbage{}
	for o, err := range r.objects.list(ctx, chunkFolder) {
		if err != nil {
			return nil, err
		}
		id, h, ok := parseChunkName(o.Name)
		if !ok || hasHash(needed[id], h) {
			continue // what is not ours stays
		}
		g.Names, g.Bytes = append(g.Names, o.Name), g.Bytes+o.Size
	}
	return g, nil
}

func hasHash(all []backup.Hash, h backup.Hash) bool {
	for _, a := range all {
		if a == h {
			return true
		}
	}
	return false
}

func addHash(all []backup.Hash, h backup.Hash) []backup.Hash {
	if hasHash(all, h) {
		return all
	}
	return append(all, h)
}

// Prune removes backups, and then the chunks that no other one needs. If it is
// interrupted there is garbage left, which the next one finds.
func (r *Repository) Prune(ctx context.Context, lock *Lock, names map[string]bool) (*Garbage, error) {
	g, err := r.FindGarbage(ctx, names)
	if err != nil {
		return nil, err
	}
	for name := range names {
		if err := lock.Held(); err != nil {
			return nil, err
		}
		if err := r.objects.remove(ctx, backupFolder+name); err != nil {
			return nil, err
		}
	}
	for _, name := range g.Names {
		if err := lock.Held(); err != nil {
			return nil, err
		}
		if err := r.objects.remove(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := lock.Held(); err != nil {
		return nil, err
	}
	return g, r.objects.tidy(ctx)
}
