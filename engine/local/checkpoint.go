package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/phyllodb/phyllo/engine/store"
)

// Layout of checkpoint files; format.md draws it under "checkpoints".
const (
	checkpointMagic = "PHYLCKP1"
	checkpointBytes = 32 // before the key
)

// PutCheckpoint implements store.Blobs.
func (s *Store) PutCheckpoint(ctx context.Context, log store.LogID, data []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if s.opts.ReadOnly {
		return errReadOnly
	}
	if err := checkRecord(log, nil); err != nil {
		return err
	}
	path := s.checkpointPath(log)
	_, err := s.writeAtomic(path, func(w io.Writer) error {
		if _, err := w.Write(checkpointHeader(log, data)); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return diskError("could not write checkpoint "+path, err)
	}
	s.metrics.Checkpoints.Add(1)
	return nil
}

func checkpointHeader(log store.LogID, data []byte) []byte {
	b := append([]byte(nil), checkpointMagic...)
	b = append(b, 0, 0, 0, 0) // checksum
	b = append(b, byte(log.Kind), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(log.Key)))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = append(b, log.Key...)
	crc := crc32.Update(crc32.Checksum(b[12:], castagnoli), castagnoli, data)
	binary.LittleEndian.PutUint32(b[8:], crc)
	return b
}

// Checkpoint implements store.Blobs.
func (s *Store) Checkpoint(ctx context.Context, log store.LogID) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	path := s.checkpointPath(log)
	have, data, err := s.readCheckpoint(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: checkpoint of log %d %x", store.ErrNotFound, log.Kind, log.Key)
	case err == nil && have != log:
		return nil, corrupt("checkpoint %s is of log %d %x", path, have.Kind, have.Key)
	}
	return data, err
}

func (s *Store) readCheckpoint(path string) (log store.LogID, data []byte, err error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return log, nil, diskError("could not open checkpoint "+path, err)
	}
	var b []byte
	size, err := f.Size()
	if err == nil {
		b = make([]byte, size)
		err = readFull(f, b, 0)
	}
	err = errors.Join(err, f.Close())
	if errors.Is(err, errBadFrame) {
		return log, nil, corrupt("checkpoint %s is corrupt: %v", path, err)
	}
	if err != nil {
		return log, nil, diskError("could not read checkpoint "+path, err)
	}
	s.metrics.BytesRead.Add(size)
	if log, data, err = parseCheckpoint(b); err != nil {
		return log, nil, corrupt("checkpoint %s is corrupt: %v", path, err)
	}
	return log, data, nil
}

func parseCheckpoint(b []byte) (log store.LogID, data []byte, err error) {
	if len(b) < checkpointBytes || string(b[:8]) != checkpointMagic {
		return log, nil, fmt.Errorf("%w: not a checkpoint", errBadFrame)
	}
	if crc32.Checksum(b[12:], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return log, nil, fmt.Errorf("%w: checksum", errBadFrame)
	}
	r := &reader{b: b[12:]}
	log.Kind = store.LogKind(r.bytes(4)[0])
	key := r.u32()
	r.u32() // reserved
	n := r.u64()
	log.Key = string(r.bytes(uint64(key)))
	if r.bad || uint64(len(r.b)) != n {
		return log, nil, fmt.Errorf("%w: %d bytes of %d", errBadFrame, len(r.b), n)
	}
	return log, r.b, nil
}

// DeleteCheckpoint implements store.Blobs.
func (s *Store) DeleteCheckpoint(ctx context.Context, log store.LogID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	if s.opts.ReadOnly {
		return errReadOnly
	}
	path := s.checkpointPath(log)
	err := s.fs.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError("could not remove checkpoint "+path, err)
	}
	s.metrics.Fsyncs.Add(1)
	// Missing or not: an earlier call may have failed here.
	return diskError("could not sync folder "+s.path(checkpointName), s.fs.SyncDir(s.path(checkpointName)))
}
