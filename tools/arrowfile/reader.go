package arrowfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// Format is a format of files.
type Format string

// The formats, as --format names them.
const (
	Parquet Format = "parquet"
	Arrow   Format = "arrow"  // IPC, file format
	Stream  Format = "arrows" // IPC, stream format
)

// ErrCorrupt is wrapped by errors about files that are damaged, cut off, or of
// another format.
var ErrCorrupt = errors.New("the file is damaged, cut off, or not of this format")

const (
	// batchRows is how many rows of a Parquet file are decoded at once.
	batchRows = 8192
	// maxMemory bounds one piece of a file; what a damaged file asks for is refused
	// there.
	maxMemory   = 1 << 30
	maxPage     = 256 << 20
	maxMetadata = 64 << 20
)

// A Reader reads a file batch by batch. It is used by one goroutine.
type Reader struct {
	schema *arrow.Schema
	rows   int64
	src    source
	file   *os.File
	row    int64
}

// A source is a format's way to read.
type source interface {
	// next returns the next batch, which the caller releases, or io.EOF.
	next(ctx context.Context) (arrow.RecordBatch, error)
	// skip passes over whole units of less than so many rows, if it can tell
	// their size without reading them, and returns how many rows that were.
	skip(rows int64) int64
	// where says which unit next is at.
	where() string
	close() error
}

// Open opens a file. Arrow stands for both forms of IPC: the file's first bytes
// tell them apart.
func Open(path string, f Format) (r *Reader, err error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			in.Close()
		}
	}()
	head := make([]byte, 6)
	n, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if f != Parquet {
		if f = Stream; bytes.Equal(head[:n], ipc.Magic) {
			f = Arrow
		}
	}
	r = &Reader{file: in}
	err = guard(func() error { return r.open(f) })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if r.schema.NumFields() == 0 {
		return nil, fmt.Errorf("the file has no columns")
	}
	return r, nil
}

func (r *Reader) open(f Format) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	mem := limited{memory.DefaultAllocator, maxMemory}
	limits := []ipc.Option{ipc.WithAllocator(mem), ipc.WithBodySizeLimit(maxMemory), ipc.WithMetadataSizeLimit(maxMetadata)}
	switch f {
	case Parquet:
		props := parquet.NewReaderProperties(mem)
		props.BufferedStreamEnabled = true // pages, not whole column chunks
		props.MaxCompressedPageSize, props.MaxUncompressedPageSize = maxPage, maxPage
		p, err := file.NewParquetReader(r.file, file.WithReadProps(props))
		if err != nil {
			return err
		}
		if stored := p.MetaData().KeyValueMetadata().FindValue("ARROW:schema"); stored != nil {
			if err := checkStoredSchema(*stored); err != nil {
				return fmt.Errorf("the schema of Arrow in it: %w", err)
			}
		}
		a, err := pqarrow.NewFileReader(p, pqarrow.ArrowReadProperties{BatchSize: batchRows}, mem)
		if err != nil {
			return err
		}
		if r.schema, err = a.Schema(); err != nil {
			return err
		}
		r.rows = p.NumRows()
		r.src = &parquetSource{file: p, arrow: a}
	case Arrow:
		if r.rows, err = checkFile(r.file, info.Size()); err != nil {
			return err
		}
		a, err := ipc.NewFileReader(r.file, limits...)
		if err != nil {
			return err
		}
		r.schema, r.src = a.Schema(), &fileSource{file: a}
	default:
		if r.rows, err = checkStream(r.file, info.Size()); err != nil {
			return err
		}
		a, err := ipc.NewReader(r.file, limits...)
		if err != nil {
			return err
		}
		r.schema, r.src = a.Schema(), &streamSource{stream: a}
	}
	return nil
}

// Schema is the file's.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Rows is how many rows the file says that it has.
func (r *Reader) Rows() int64 { return r.rows }

// Row is how many rows were read or skipped: the number, from 0, of the row after
// the last batch.
func (r *Reader) Row() int64 { return r.row }

// Where names the part of the file that the last batch came from.
func (r *Reader) Where() string { return r.src.where() }

// Skip passes over rows from the beginning; it is called before Next. It returns
// what is left of the batch in which they end, nil if nothing is.
func (r *Reader) Skip(ctx context.Context, rows int64) (rest arrow.RecordBatch, err error) {
	r.row = r.src.skip(rows)
	for r.row < rows {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the file has only %d rows, and %d of them are said to be done", r.row, rows)
		}
		if err != nil {
			return nil, err
		}
		if r.row > rows {
			rest = b.NewSlice(b.NumRows()-(r.row-rows), b.NumRows())
			b.Release()
			return rest, nil
		}
		b.Release()
	}
	return nil, nil
}

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (b arrow.RecordBatch, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		err = guard(func() (err error) { b, err = r.src.next(ctx); return err })
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			if r.row != r.rows {
				return nil, fmt.Errorf("%w: it has %d rows, and says that it has %d", ErrCorrupt, r.row, r.rows)
			}
			return nil, io.EOF
		}
		if err != nil {
			return nil, fmt.Errorf("%s, after row %d: %w: %w", r.Where(), r.row, ErrCorrupt, err)
		}
		if b.NumRows() > 0 {
			r.row += b.NumRows()
			return b, nil
		}
		b.Release()
	}
}

// Close closes the file.
func (r *Reader) Close() error {
	err := guard(r.src.close)
	if cerr := r.file.Close(); err == nil && !errors.Is(cerr, os.ErrClosed) {
		err = cerr
	}
	return err
}

// parquetSource reads row group after row group.
type parquetSource struct {
	file  *file.Reader
	arrow *pqarrow.FileReader
	group int // the next one
	rows  int64
	cur   pqarrow.RecordReader
}

func (s *parquetSource) skip(rows int64) int64 {
	done := int64(0)
	for s.group < s.file.NumRowGroups() {
		n := s.file.MetaData().RowGroups[s.group].GetNumRows()
		if n < 0 || done+n > rows {
			break
		}
		done += n
		s.group++
	}
	return done
}

func (s *parquetSource) next(ctx context.Context) (arrow.RecordBatch, error) {
	for {
		if s.cur == nil {
			if s.group >= s.file.NumRowGroups() {
				return nil, io.EOF
			}
			r, err := s.arrow.GetRecordReader(ctx, nil, []int{s.group})
			if err != nil {
				s.group++
				return nil, err
			}
			s.cur, s.rows = r, s.file.MetaData().RowGroups[s.group].GetNumRows()
			s.group++
		}
		if s.rows > 0 && s.cur.Next() {
			b := s.cur.RecordBatch()
			s.rows -= b.NumRows()
			if err := sound(b); err != nil {
				return nil, err
			}
			b.Retain()
			return b, nil
		}
		err := s.cur.Err()
		s.cur.Release()
		s.cur = nil
		if err == nil && s.rows != 0 {
			err = fmt.Errorf("%d rows are missing", s.rows)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (s *parquetSource) where() string { return fmt.Sprintf("row group %d", max(s.group, 1)) }

func (s *parquetSource) close() error {
	if s.cur != nil {
		s.cur.Release()
	}
	return s.file.Close()
}

// fileSource reads the batches of an IPC file.
type fileSource struct {
	file  *ipc.FileReader
	batch int
}

func (s *fileSource) skip(int64) int64 { return 0 }

func (s *fileSource) next(context.Context) (arrow.RecordBatch, error) {
	if s.batch >= s.file.NumRecords() {
		return nil, io.EOF
	}
	s.batch++
	b, err := s.file.RecordBatchAt(s.batch - 1)
	if err != nil {
		return nil, unexpected(err)
	}
	return checked(b)
}

func (s *fileSource) where() string { return fmt.Sprintf("record batch %d", max(s.batch, 1)) }
func (s *fileSource) close() error  { return s.file.Close() }

// streamSource reads the batches of an IPC stream.
type streamSource struct {
	stream *ipc.Reader
	batch  int
}

func (s *streamSource) skip(int64) int64 { return 0 }

func (s *streamSource) next(context.Context) (arrow.RecordBatch, error) {
	if s.batch++; s.stream.Next() {
		b := s.stream.RecordBatch()
		b.Retain()
		return checked(b)
	}
	if err := s.stream.Err(); err != nil {
		return nil, unexpected(err)
	}
	return nil, io.EOF
}

func (s *streamSource) where() string { return fmt.Sprintf("record batch %d", s.batch) }
func (s *streamSource) close() error  { s.stream.Release(); return nil }

// unexpected makes of an end within a batch an error that is none.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checked releases a batch that is not sound.
func checked(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	if err := sound(b); err != nil {
		b.Release()
		return nil, err
	}
	return b, nil
}

// sound looks whether the columns are as long as the batch. What lies within
// them is checked where it is read: reading beyond a buffer panics, which guard
// makes an error of.
func sound(b arrow.RecordBatch) error {
	for i, c := range b.Columns() {
		if int64(c.Len()) != b.NumRows() {
			return fmt.Errorf("column %q has %d values and not %d", b.ColumnName(i), c.Len(), b.NumRows())
		}
	}
	return nil
}

// guard runs f and makes an error of a panic: the libraries trust more of a file
// than we may.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if e, ok := p.(error); ok {
				err = fmt.Errorf("%w", e)
			} else {
				err = fmt.Errorf("%v", p)
			}
		}
	}()
	return f()
}

// limited is an allocator that refuses what no sound file asks for at once. It is
// safe for concurrent use.
type limited struct {
	memory.Allocator
	most int
}

func (l limited) check(n int) {
	if n < 0 || n > l.most {
		panic(fmt.Errorf("it asks for %d bytes of memory at once, more than %d MiB", n, l.most>>20))
	}
}

func (l limited) Allocate(n int) []byte {
	l.check(n)
	return l.Allocator.Allocate(n)
}

func (l limited) Reallocate(n int, b []byte) []byte {
	l.check(n)
	return l.Allocator.Reallocate(n, b)
}
