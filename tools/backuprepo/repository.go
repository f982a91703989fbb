package backuprepo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
)

// A Repository keeps backups. It is safe for concurrent use.
type Repository struct {
	objects objects
	address string
	refresh time.Duration // of locks
}

// Names of objects.
const (
	markerName   = "phyllo-backups.json"
	chunkFolder  = "chunks/"
	backupFolder = "backups/"
)

// marker says that there is a repository.
type marker struct{ Format int }

// String returns the address.
func (r *Repository) String() string { return r.address }

// Create makes the repository if there is none. A folder or prefix with other things in it
// is refused.
func (r *Repository) Create(ctx context.Context) error {
	err := r.Check(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for o, err := range r.objects.list(ctx, "") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is not empty and holds no backups (there is no %s, but %s)", r, markerName, o.Name)
	}
	text, err := json.Marshal(marker{Format: backup.FormatVersion})
	if err != nil {
		return err
	}
	return r.objects.put(ctx, markerName, bytes.NewReader(append(text, '\n')))
}

// Check refuses what is no repository, with an error that wraps fs.ErrNotExist, and one of
// a later program.
func (r *Repository) Check(ctx context.Context) error {
	text, err := r.read(ctx, markerName, 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no backups: %w", r, err)
	}
	if err != nil {
		return err
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %s: %w", r, markerName, err)
	}
	if m.Format > backup.FormatVersion {
		return chunk.NewerFormat("%s has format version %d; this program reads versions up to %d", r, m.Format, backup.FormatVersion)
	}
	return nil
}

// tries is how often an object is read whose bytes end early.
const tries = 3

// read reads an object of at most so many bytes.
func (r *Repository) read(ctx context.Context, name string, most int64) (data []byte, err error) {
	for range tries {
		var in io.ReadCloser
		if in, err = r.objects.open(ctx, name); err != nil {
			return nil, err
		}
		data, err = io.ReadAll(io.LimitReader(in, most+1))
		if err = errors.Join(err, in.Close()); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", r, name, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: %s: %s has more than the %d bytes it should have", chunk.ErrCorrupt, r, name, most)
	}
	return data, nil
}

func chunkName(id chunk.ID, h backup.Hash) string {
	return fmt.Sprintf("%s%02x/%x-%x", chunkFolder, id[len(id)-1], id[:], h[:])
}

func parseChunkName(name string) (id chunk.ID, h backup.Hash, ok bool) {
	first, second, found := strings.Cut(path.Base(name), "-")
	a, err := hex.DecodeString(first)
	b, err2 := hex.DecodeString(second)
	if !found || err != nil || err2 != nil || len(a) != len(id) || len(b) != len(h) {
		return id, h, false
	}
	copy(id[:], a)
	copy(h[:], b)
	return id, h, name == chunkName(id, h)
}

// A Stored is a chunk in the repository.
type Stored struct {
	Hash backup.Hash
	Size int64
}

// Chunks returns the chunks that the repository has, whichever backups they belong to.
func (r *Repository) Chunks(ctx context.Context) (map[chunk.ID]Stored, error) {
	out := map[chunk.ID]Stored{}
	for o, err := range r.objects.list(ctx, chunkFolder) {
		if err != nil {
			return nil, err
		}
		if id, h, ok := parseChunkName(o.Name); ok {
			out[id] = Stored{h, o.Size}
		}
	}
	return out, nil
}

// PutChunk uploads the object of a chunk.
func (r *Repository) PutChunk(ctx context.Context, id chunk.ID, s *Spool) error {
	if err := r.objects.put(ctx, chunkName(id, s.hash), s); err != nil {
		return fmt.Errorf("%s: chunk %v: %w", r, id, err)
	}
	return nil
}

// ReadChunk reads the object of a chunk. An error wraps chunk.ErrCorrupt if it is not what
// was uploaded, or missing.
func (r *Repository) ReadChunk(ctx context.Context, c backup.Chunk) ([]byte, error) {
	name := chunkName(c.ID, c.Hash)
	data, err := r.read(ctx, name, c.Size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s: %s is missing", chunk.ErrCorrupt, r, name)
	case err != nil:
		return nil, err
	case int64(len(data)) != c.Size:
		return nil, fmt.Errorf("%w: %s: %s has %d bytes instead of %d", chunk.ErrCorrupt, r, name, len(data), c.Size)
	case sha256.Sum256(data) != c.Hash:
		return nil, fmt.Errorf("%w: %s: the SHA-256 of %s is not that in its name", chunk.ErrCorrupt, r, name)
	}
	return data, nil
}

// NewName makes the name of a backup, so that names are in the order of snapshots.
func NewName(taken time.Time) string {
	var b [3]byte
	rand.Read(b[:]) // never fails
	return taken.UTC().Format("20060102T150405.000Z") + "-" + hex.EncodeToString(b[:])
}

// PutBackup makes a backup complete: all chunks that the document names are there.
func (r *Repository) PutBackup(ctx context.Context, d *backup.Document) error {
	data, err := d.Append(nil)
	if err != nil {
		return err
	}
	if len(data) > backup.MaxDocumentBytes {
		return fmt.Errorf("%s: the document of backup %s has %d bytes, the most is %d", r, d.Header.Name, len(data), backup.MaxDocumentBytes)
	}
	return r.objects.put(ctx, backupFolder+d.Header.Name, bytes.NewReader(data))
}

// A Listed is a backup in a list.
type Listed struct {
	Name   string
	Header *backup.Header // nil if it cannot be read
	Err    error          // why
}

// Backups lists the backups, the oldest first.
func (r *Repository) Backups(ctx context.Context) ([]Listed, error) {
	var out []Listed
	for o, err := range r.objects.list(ctx, backupFolder) {
		if err != nil {
			return nil, err
		}
		l := Listed{Name: strings.TrimPrefix(o.Name, backupFolder)}
		in, err := r.objects.open(ctx, o.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed meanwhile
		}
		if err == nil {
			l.Header, err = backup.ReadHeader(in)
			err = errors.Join(err, in.Close())
		}
		if err != nil {
			l.Header, l.Err = nil, fmt.Errorf("%s: backup %s: %w", r, l.Name, err)
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Backup reads the document of a backup; an empty name means the newest one.
func (r *Repository) Backup(ctx context.Context, name string) (*backup.Document, error) {
	if name == "" {
		for o, err := range r.objects.list(ctx, backupFolder) {
			if err != nil {
				return nil, err
			}
			name = max(name, strings.TrimPrefix(o.Name, backupFolder))
		}
		if name == "" {
			return nil, fmt.Errorf("%s has no complete backup", r)
		}
	}
	data, err := r.read(ctx, backupFolder+name, backup.MaxDocumentBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no backup %s; phyllo backup list says what there is", r, name)
	}
	if err != nil {
		return nil, err
	}
	d, err := backup.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: backup %s: %w", r, name, err)
	}
	if d.Header.Name != name {
		return nil, fmt.Errorf("%w: %s: the document of backup %s is that of %s", chunk.ErrCorrupt, r, name, d.Header.Name)
	}
	return d, nil
}
