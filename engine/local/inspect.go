package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

// FileKind is what a file of the folder holds.
type FileKind string

const (
	SourceLogFile  FileKind = "source log"
	CommitLogFile  FileKind = "commit log"
	SegmentFile    FileKind = "segment"
	CheckpointFile FileKind = "checkpoint"
)

// FileInfo describes one file of the store.
type FileInfo struct {
	Name string // below the store's folder
	Kind FileKind
	// SizeBytes is what counts of the file, LiveBytes what of it is still
	// needed (of segments all, for the store does not know better).
	SizeBytes, LiveBytes int64
	// Partition and Chunks are of a segment, if its directory can be read.
	Partition chunk.PartitionID
	Chunks    []chunk.ID
}

// Files lists the files of the store; those that vanish meanwhile are left out.
func (s *Store) Files(ctx context.Context) ([]FileInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	files := append(s.source.fileInfos(SourceLogFile), s.commit.fileInfos(CommitLogFile)...)
	err := s.segmentFiles(ctx, func(p *partition, id chunk.ID) error {
		path := filepath.Join(p.dir, segmentName(id))
		size, err := s.fs.Size(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return diskError("could not look at segment "+path, err)
		}
		info := FileInfo{Name: s.relative(path), Kind: SegmentFile, SizeBytes: size, LiveBytes: size}
		if seg, err := s.directory(path, id); err == nil {
			info.Partition = seg.part
			for id := range seg.chunks {
				info.Chunks = append(info.Chunks, id)
			}
			slices.SortFunc(info.Chunks, func(a, b chunk.ID) int { return slices.Compare(a[:], b[:]) })
		}
		files = append(files, info)
		return nil
	})
	if err != nil {
		return nil, err
	}
	entries, err := s.list(s.path(checkpointName))
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		path := s.path(checkpointName, name)
		size, err := s.fs.Size(path)
		if errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(name, checkpointSuffix) {
			continue
		}
		if err != nil {
			return nil, diskError("could not look at checkpoint "+path, err)
		}
		files = append(files, FileInfo{Name: s.relative(path), Kind: CheckpointFile, SizeBytes: size, LiveBytes: size})
	}
	return files, nil
}

func (q *sequence) fileInfos(kind FileKind) []FileInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	var files []FileInfo
	for _, f := range q.files {
		files = append(files, FileInfo{Name: filepath.Join(q.name, logName(f.number)), Kind: kind, SizeBytes: f.valid, LiveBytes: f.live})
	}
	slices.SortFunc(files, func(a, b FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return files
}

func (s *Store) relative(path string) string {
	if rel, err := filepath.Rel(s.opts.Dir, path); err == nil {
		return rel
	}
	return path
}

// SegmentFile is the name, below the store's folder, of the file that holds a
// chunk according to its entry.
func (s *Store) SegmentFile(part chunk.PartitionID, e *chunk.Entry) string {
	return s.relative(filepath.Join(s.partitionDir(part), segmentName(e.Location.Segment)))
}

// Damage returns why logs count as empty (Options.SkipDamagedLogs), nil if none does.
func (s *Store) Damage() []error { return s.damage }

// ID returns what tells the folder from all others, which is made with it.
func (s *Store) ID() [16]byte { return s.id }

// list returns the names in a folder, none if it is not there.
func (s *Store) list(dir string) ([]string, error) {
	entries, err := s.fs.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError("could not list folder "+dir, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return names, nil
}

// segmentFiles calls visit for every segment file. The partition's key is
// known only if the folder's name holds it.
func (s *Store) segmentFiles(ctx context.Context, visit func(*partition, chunk.ID) error) error {
	tables, err := s.list(s.path(chunksName))
	if err != nil {
		return err
	}
	for _, t := range tables {
		oid, err := strconv.ParseUint(t, 10, 32)
		if err != nil {
			continue
		}
		parts, err := s.list(s.path(chunksName, t))
		if err != nil {
			return err
		}
		for _, name := range parts {
			p := &partition{id: chunk.PartitionID{Table: datum.OID(oid)}, dir: s.path(chunksName, t, name)}
			p.id.Key, _ = plainKey(name)
			ids, err := s.segmentNames(p.dir)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := errors.Join(ctx.Err(), visit(p, id)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// directory reads a segment's directory and nothing else.
func (s *Store) directory(path string, id chunk.ID) (*segment, error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, err
	}
	seg, err := readSegment(f, id)
	return seg, errors.Join(err, f.Close())
}
