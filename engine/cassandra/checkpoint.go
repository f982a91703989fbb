package cassandra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// maxCheckpointBytes bounds a checkpoint.
const maxCheckpointBytes = 1 << 30

// checkpointTries is how often a checkpoint that is replaced while it is read
// is read again.
const checkpointTries = 5

// checkpointPlace spreads the parts of a checkpoint over partitions of its own.
func checkpointPlace(id gocql.UUID) partAddress {
	return func(part int) (gocql.UUID, int64) { return id, int64(part / partsPerGroup) }
}

// PutCheckpoint implements store.Blobs. The parts come first; the row that
// names them is then swapped, and the parts that it named before go last. A
// crash in between leaves parts that nobody names.
func (s *Store) PutCheckpoint(ctx context.Context, id store.LogID, data []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := checkKey(id.Key); err != nil {
		return err
	}
	if len(data) > maxCheckpointBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "a checkpoint of %d bytes is too large: the most is %d", len(data), maxCheckpointBytes)
	}
	for {
		p, err := s.newPayload(data)
		if err != nil {
			return err
		}
		if err := s.writeParts(ctx, &p, data, checkpointPlace(p.id)); err != nil {
			return err
		}
		overtaken, err := s.swapCheckpoint(ctx, id, &p)
		if err != nil || !overtaken {
			return err
		}
		// Another has replaced it, or may have, and freed the parts.
	}
}

// swapCheckpoint makes a row name p, or none if p is nil. overtaken says that
// it may have done so and another has replaced it since.
func (s *Store) swapCheckpoint(ctx context.Context, id store.LogID, p *payload) (overtaken bool, err error) {
	within, cancel := context.WithTimeout(ctx, s.opts.AppendTimeout)
	defer cancel()
	var tried *payload // what was to be replaced by a swap whose outcome is unknown
	for failures := 0; ; {
		old, err := s.checkpointRow(within, id, s.levels.serial)
		switch {
		case err != nil && tried == nil:
			return false, err
		case err == nil && (p == nil && old == nil || p != nil && old != nil && old.id == p.id):
			s.freeCheckpoint(ctx, id, tried)
			return false, nil
		case err == nil && tried != nil && (old == nil || old.id != tried.id):
			return true, nil
		case err == nil:
			var applied bool
			if applied, _, err = s.swap(within, "checkpoint_swap", s.checkpointSwap(id, old, p)); applied {
				s.freeCheckpoint(ctx, id, old)
				return false, nil
			}
			if isDoubtful(err) {
				tried = old
				if tried == nil {
					tried = &payload{}
				}
			} else if err != nil && tried == nil {
				return false, err
			}
		}
		if err == nil {
			continue
		}
		failures++
		if perr := pause(within, failures); perr != nil {
			return false, outcomeUnknown(errors.Join(perr, err), "the checkpoint of log %d %q", id.Kind, id.Key)
		}
	}
}

// checkpointSwap is the conditional write from one row to another.
func (s *Store) checkpointSwap(id store.LogID, old, p *payload) statement {
	key := []any{int8(id.Kind), []byte(id.Key)}
	switch {
	case p == nil:
		return statement{s.text.checkpointDelete, append(key, old.id)}
	case old == nil:
		return statement{s.text.checkpointCreate, append(p.columns(), key...)}
	}
	return statement{s.text.checkpointReplace, append(append(p.columns(), key...), old.id)}
}

// checkpointRow reads which checkpoint a name has, nil if none.
func (s *Store) checkpointRow(ctx context.Context, id store.LogID, level gocql.Consistency) (*payload, error) {
	var p payload
	var name *gocql.UUID
	var size, crc *int64
	var parts *int
	found, err := s.row(ctx, read{op: "checkpoint_read", text: s.text.checkpointRead, args: []any{int8(id.Kind), []byte(id.Key)}, level: level},
		&name, &p.inline, &size, &crc, &parts)
	if err != nil || !found || name == nil {
		return nil, err
	}
	if size == nil || crc == nil || parts == nil {
		return nil, corrupt("checkpoint of log %d %q: columns are missing", id.Kind, id.Key)
	}
	p.id, p.size, p.crc, p.parts = *name, *size, *crc, *parts
	return &p, nil
}

// freeCheckpoint deletes parts that nothing names any more.
func (s *Store) freeCheckpoint(ctx context.Context, id store.LogID, old *payload) {
	if old == nil {
		return
	}
	for bucket := 0; bucket*partsPerGroup < old.parts; bucket++ {
		if err := s.write(ctx, "part_delete", 0, s.text.partDeleteAll, old.id, int64(bucket)); err != nil {
			s.opts.Logger.Warn("parts of a checkpoint that was replaced could not be deleted",
				slog.String("log", fmt.Sprintf("%d %q", id.Kind, id.Key)), slog.String("error", err.Error()))
			return
		}
	}
}

// Checkpoint implements store.Blobs.
func (s *Store) Checkpoint(ctx context.Context, id store.LogID) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	if err := checkKey(id.Key); err != nil {
		return nil, err
	}
	var last gocql.UUID
	for tries := 1; ; tries++ {
		p, err := s.checkpointRow(ctx, id, s.levels.read)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, fmt.Errorf("%w: checkpoint of log %d %q", store.ErrNotFound, id.Kind, id.Key)
		}
		data, err := s.payloadBytes(ctx, p, checkpointPlace(p.id), fmt.Sprintf("checkpoint of log %d %q", id.Kind, id.Key))
		if err == nil || !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, errMissing) {
			return data, err
		}
		if p.id == last || tries == checkpointTries { // it was not replaced meanwhile
			return nil, asCorrupt(err)
		}
		last = p.id
	}
}

// asCorrupt makes of a missing part, which must be there, damage.
func asCorrupt(err error) error {
	if errors.Is(err, errMissing) {
		return corrupt("%v", err)
	}
	return err
}

// DeleteCheckpoint implements store.Blobs.
func (s *Store) DeleteCheckpoint(ctx context.Context, id store.LogID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if err := checkKey(id.Key); err != nil {
		return err
	}
	_, err := s.swapCheckpoint(ctx, id, nil) // if it was overtaken, another's came later
	return err
}
