package exec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TempFiles makes temporary files. It is safe for concurrent use.
type TempFiles interface {
	// Create returns an empty file that is gone once it is closed, or when the
	// process dies.
	Create() (TempFile, error)
}

// A TempFile is written to its end, then read.
type TempFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// A TempDir makes temporary files in a folder, which must exist; empty means the
// operating system's. Files have no name from the start, so that nothing is
// left behind whatever happens.
type TempDir string

// Create implements TempFiles.
func (d TempDir) Create() (TempFile, error) {
	f, err := os.CreateTemp(string(d), "phyllo-spill-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return f, nil
}

// A spillFile is a sequence of batches of one schema in a temporary file. Each is
// a length and an Arrow IPC stream of its own, so that they can be read from
// any place. It is used by one goroutine.
type spillFile struct {
	file    TempFile
	mem     memory.Allocator
	buf     bytes.Buffer
	offsets []int64 // of the batches, and the end
	rows    int64
	stats   *OperatorStats
}

// newSpillFile opens a file, or fails with out_of_memory if there is no place
// for temporary files.
func newSpillFile(fr *frame, st *OperatorStats) (*spillFile, error) {
	if fr.rt.Temp == nil {
		return nil, pgerr.New(pgerr.OutOfMemory, "out of memory").
			WithDetail("The query needs more memory than its budget allows, and no temporary files are configured.")
	}
	f, err := fr.rt.Temp.Create()
	if err != nil {
		return nil, spillError(err)
	}
	return &spillFile{file: f, mem: fr.mem(), offsets: []int64{0}, stats: st}, nil
}

func (s *spillFile) batches() int { return len(s.offsets) - 1 }

// write appends a batch.
func (s *spillFile) write(b arrow.RecordBatch) error {
	s.buf.Reset()
	s.buf.Write(make([]byte, 8))
	w := ipc.NewWriter(&s.buf, ipc.WithSchema(b.Schema()), ipc.WithAllocator(s.mem))
	if err := w.Write(b); err != nil {
		return errors.Join(spillError(err), w.Close())
	}
	if err := w.Close(); err != nil {
		return spillError(err)
	}
	frame := s.buf.Bytes()
	binary.LittleEndian.PutUint64(frame, uint64(len(frame)-8))
	if _, err := s.file.Write(frame); err != nil {
		return spillError(err)
	}
	s.offsets = append(s.offsets, s.offsets[len(s.offsets)-1]+int64(len(frame)))
	s.rows += b.NumRows()
	if s.stats != nil {
		s.stats.addSpill(int64(len(frame)))
	}
	return nil
}

// read returns batch i, which the caller releases.
func (s *spillFile) read(ctx context.Context, i int) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	from, to := s.offsets[i]+8, s.offsets[i+1]
	r, err := ipc.NewReader(io.NewSectionReader(s.file, from, to-from), ipc.WithAllocator(s.mem))
	if err != nil {
		return nil, spillError(err)
	}
	defer r.Release()
	b, err := r.Read()
	if err != nil {
		return nil, spillError(err)
	}
	b.Retain()
	return b, nil
}

func (s *spillFile) close() error {
	if s == nil || s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// spillError gives the failure of a temporary file its SQLSTATE.
func spillError(err error) error {
	if e, ok := errors.AsType[*pgerr.Error](err); ok {
		return e // a limit
	}
	code := pgerr.IOError
	if errors.Is(err, syscall.ENOSPC) {
		code = pgerr.DiskFull
	}
	e := pgerr.New(code, "could not use a temporary file: %v", err)
	e.Cause = err
	return e
}

// A spillReader yields the batches of a spill file as an Operator, which does not
// own the file.
type spillReader struct {
	file   *spillFile
	schema *arrow.Schema
	next   int
}

func (r *spillReader) Schema() *arrow.Schema { return r.schema }

func (r *spillReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.next == r.file.batches() {
		return nil, io.EOF
	}
	b, err := r.file.read(ctx, r.next)
	if err != nil {
		return nil, err
	}
	r.next++
	return relabel(r.schema, b), nil
}

func (r *spillReader) Close() error { return nil }
