package copyformat

import (
	"bytes"
	"errors"
	"io"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Reader splits a stream into rows. It is used by one goroutine.
type Reader struct {
	src  io.Reader
	opt  Options
	buf  []byte
	pos  int // start of what is unread in buf
	end  int // end of what is in buf
	eof  bool
	err  error
	line int64

	fields   [][]byte
	quoted   []bool // csv: field i was quoted; the rest were not
	quotes   bool   // csv: there may be a quote in the current line
	row      []byte // raw text of the current row, without its end
	newline  newlineKind
	seen     newlineSearch
	started  bool
	finished bool // end-of-data marker or trailer seen
}

type newlineKind uint8

const (
	newlineUnknown newlineKind = iota
	newlineLF
	newlineCRLF
	newlineCR
)

// A newlineSearch is how far the first line has been searched for its end.
type newlineSearch struct {
	at      int // may be beyond what there is, behind a character that is protected
	inQuote bool
}

// NewReader returns a reader of rows from src. opt must be valid.
func NewReader(src io.Reader, opt Options) *Reader {
	if opt.MaxRowBytes == 0 {
		opt.MaxRowBytes = 1 << 30
	}
	return &Reader{src: src, opt: opt, buf: make([]byte, 256<<10)}
}

// Next returns the next row's fields, nil for NULL, or io.EOF. They are valid
// until the next call and may be modified by the caller. The header line, if
// any, is a row like others: the caller asks for it first.
func (r *Reader) Next() ([][]byte, error) {
	if r.finished {
		return nil, r.drain()
	}
	if r.opt.Format == Binary {
		return r.nextBinary()
	}
	line, err := r.nextLine()
	if err != nil {
		return nil, err
	}
	r.row = line
	if len(line) == 2 && line[0] == '\\' && line[1] == '.' {
		r.finished = true
		return nil, r.drain()
	}
	if r.opt.Format == CSV {
		return r.splitCSV(line)
	}
	return r.splitText(line)
}

// Line is the number, from 1, of the line (or binary row) that Next returned last.
func (r *Reader) Line() int64 { return r.line }

// Raw is the text of the row that Next returned last; empty for binary.
func (r *Reader) Raw() []byte { return r.row }

// Quoted says whether field i of a CSV row was quoted.
func (r *Reader) Quoted(i int) bool { return i < len(r.quoted) && r.quoted[i] }

// drain reads the source to its end after an end-of-data marker.
func (r *Reader) drain() error {
	for {
		if _, err := r.src.Read(r.buf); err != nil {
			return err
		}
	}
}

// fill reads more; it keeps what is unread and grows the buffer if that fills
// it. ok is false at the end of the stream.
func (r *Reader) fill() (ok bool, err error) {
	if r.eof {
		return false, nil
	}
	if r.pos > 0 {
		copy(r.buf, r.buf[r.pos:r.end])
		r.end -= r.pos
		r.pos = 0
	}
	if r.end == len(r.buf) {
		if len(r.buf) >= r.opt.MaxRowBytes {
			return false, pgerr.New(pgerr.ProgramLimitExceeded, "row is too long: more than %d bytes", r.opt.MaxRowBytes)
		}
		grown := make([]byte, min(2*len(r.buf), r.opt.MaxRowBytes))
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if errors.Is(err, io.EOF) {
		r.eof, err = true, nil
	}
	return n > 0 || !r.eof, err
}

// nextLine returns the next line without its end: up to a newline that is not
// escaped (text) or quoted (csv).
func (r *Reader) nextLine() ([]byte, error) {
	r.quotes = false
	from := 0 // bytes of the unread part that are known to hold no line end
	inQuote := false
	// A quoted field may go over several lines. Like PostgreSQL we count them once
	// the first line has shown how lines end.
	known := r.newline != newlineUnknown
	for {
		part := r.buf[r.pos:r.end]
		n, next, quote := r.lineEnd(part, from, inQuote)
		if n >= 0 {
			r.line++
			if r.opt.Format == CSV && known && (r.quotes || r.newline == newlineCR) {
				r.line += int64(bytes.Count(part[:n], []byte{'\n'}))
			}
			r.pos += next
			return part[:n], r.checkLine(part[:n])
		}
		from, inQuote = next, quote
		more, err := r.fill()
		if err != nil {
			r.line++ // it is about the line that has begun
			return nil, err
		}
		if !more {
			return r.lastLine(inQuote)
		}
	}
}

func (r *Reader) lastLine(inQuote bool) ([]byte, error) {
	part := r.buf[r.pos:r.end]
	if len(part) == 0 {
		return nil, io.EOF
	}
	r.line++
	r.pos = r.end
	r.quotes = true // without a line end nobody may have looked
	if inQuote {
		return nil, pgerr.New(pgerr.BadCopyFormat, "unterminated CSV quoted field")
	}
	if part[len(part)-1] == '\r' && r.newline != newlineLF {
		part = part[:len(part)-1]
	}
	return part, r.checkLine(part)
}

// lineEnd looks for a line's end in b from index from on. It returns the length
// of the line and where the next one starts; or -1 and from where to look again
// when there is more, and whether that is inside quotes.
func (r *Reader) lineEnd(b []byte, from int, inQuote bool) (n, next int, quote bool) {
	if r.newline == newlineUnknown {
		if !r.detectNewline(b) {
			return -1, 0, false // r.seen knows from where to look
		}
		from, inQuote = 0, false
	}
	end := byte('\n')
	if r.newline == newlineCR {
		end = '\r'
	}
	for {
		i := bytes.IndexByte(b[from:], end)
		stop := len(b)
		if i >= 0 {
			stop = from + i
		}
		protects := false // what follows is protected by an escape character
		if r.opt.Format == CSV {
			inQuote, protects = r.quoteState(b[from:stop], inQuote)
		}
		if i < 0 {
			switch {
			case r.opt.Format == Text:
				return -1, max(0, len(b)-trailingBackslashes(b)), false
			case protects:
				return -1, len(b) - 1, inQuote
			}
			return -1, len(b), inQuote
		}
		if r.opt.Format == CSV && inQuote || r.opt.Format == Text && trailingBackslashes(b[:stop])%2 == 1 {
			from = stop + 1
			continue
		}
		n = stop
		if r.newline == newlineCRLF && n > 0 && b[n-1] == '\r' {
			n--
		}
		return n, stop + 1, false
	}
}

// detectNewline fixes the kind of line end by the first one outside of quotes,
// as PostgreSQL does; false if b does not tell yet. It goes on from where it was: b is the first line
// each time, and longer.
func (r *Reader) detectNewline(b []byte) bool {
	s := &r.seen
	for ; s.at < len(b); s.at++ {
		switch ch := b[s.at]; {
		case s.inQuote && ch == r.opt.Escape && r.opt.Escape != r.opt.Quote:
			s.at++
		case r.opt.Format == CSV && ch == r.opt.Quote:
			s.inQuote = !s.inQuote
		case r.opt.Format == Text && ch == '\\':
			s.at++
		case s.inQuote:
		case ch == '\n':
			r.newline = newlineLF
			return true
		case ch == '\r':
			if s.at+1 == len(b) && !r.eof {
				return false
			}
			r.newline = newlineCR
			if s.at+1 < len(b) && b[s.at+1] == '\n' {
				r.newline = newlineCRLF
			}
			return true
		}
	}
	return false
}

// quoteState says whether the end of b, which started inside quotes or not, is
// inside quotes. An escape character other than the quote protects what follows it;
// protects says that this lies behind b.
func (r *Reader) quoteState(b []byte, inQuote bool) (quoted, protects bool) {
	n := bytes.Count(b, []byte{r.opt.Quote})
	r.quotes = r.quotes || n > 0
	if r.opt.Escape == r.opt.Quote || n == 0 && !inQuote {
		return inQuote != (n%2 == 1), false
	}
	for i := 0; i < len(b); i++ {
		switch {
		case inQuote && b[i] == r.opt.Escape:
			i++
			protects = i == len(b)
		case b[i] == r.opt.Quote:
			inQuote = !inQuote
		}
	}
	return inQuote, protects
}

func trailingBackslashes(b []byte) int {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}

// checkLine refuses a carriage return that is no line end here.
func (r *Reader) checkLine(line []byte) error {
	if len(line) > r.opt.MaxRowBytes {
		return pgerr.New(pgerr.ProgramLimitExceeded, "row is too long: more than %d bytes", r.opt.MaxRowBytes)
	}
	if r.opt.Format != Text {
		return nil
	}
	if r.newline == newlineLF && bytes.IndexByte(line, '\r') >= 0 {
		return pgerr.New(pgerr.BadCopyFormat, "literal carriage return found in data").WithHint("Use \"\\r\" to represent carriage return.")
	}
	if r.newline == newlineCR && bytes.IndexByte(line, '\n') >= 0 {
		return pgerr.New(pgerr.BadCopyFormat, "literal newline found in data").WithHint("Use \"\\n\" to represent newline.")
	}
	return nil
}
