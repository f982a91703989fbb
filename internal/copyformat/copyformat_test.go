package copyformat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

func readAll(src string, opt Options, one bool) (string, error) {
	var in io.Reader = strings.NewReader(src)
	if one {
		in = iotest.OneByteReader(in)
	}
	r := NewReader(in, opt)
	var out strings.Builder
	for {
		fields, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		for i, f := range fields {
			if i > 0 {
				out.WriteByte('|')
			}
			if f == nil {
				out.WriteString("NULL")
			} else {
				fmt.Fprintf(&out, "%q", f)
			}
		}
		fmt.Fprintf(&out, "@%d\n", r.Line())
	}
}

func TestReader(t *testing.T) {
	csv := DefaultOptions(CSV)
	text := DefaultOptions(Text)
	odd := csv
	odd.Quote, odd.Escape, odd.Delimiter, odd.Null = '\'', '\\', ';', "nil"
	bin := DefaultOptions(Binary)
	header := string(signature) + "\x00\x00\x00\x00\x00\x00\x00\x00"
	binRow := "\x00\x02\x00\x00\x00\x01x\xff\xff\xff\xff"
	force := csv
	force.ForceNotNull, force.ForceNull = []bool{true, false}, []bool{false, true}
	for _, c := range []struct {
		name, in string
		opt      Options
		want     string
		code     string
	}{
		{"csv", "a,b\n1,\n", csv, "\"a\"|\"b\"@1\n\"1\"|NULL@2\n", ""},
		{"csv quoted", "\"a,\"\"x\"\"\ny\",\"\"\n", csv, "\"a,\\\"x\\\"\\ny\"|\"\"@1\n", ""},
		{"csv crlf", "a,b\r\nc,d\r\n", csv, "\"a\"|\"b\"@1\n\"c\"|\"d\"@2\n", ""},
		{"csv cr", "a\rb", csv, "\"a\"@1\n\"b\"@2\n", ""},
		{"csv no end", "a,b", csv, "\"a\"|\"b\"@1\n", ""},
		{"csv quote in the middle", "a\"b,c\"d,e\n", csv, "\"ab,cd\"|\"e\"@1\n", ""},
		{"csv unterminated", "\"a\n", csv, "", pgerr.BadCopyFormat},
		{"csv end mark", "a\n\\.\nb\n", csv, "\"a\"@1\n", ""},
		{"csv empty line", "\n", csv, "NULL@1\n", ""},
		{"csv odd", "'a\\'b';nil;''\n", odd, "\"a'b\"|NULL|\"\"@1\n", ""},
		{"csv force", ",\"\"\n", force, "\"\"|NULL@1\n", ""},
		{"text", "a\tb\n\\N\t\n", text, "\"a\"|\"b\"@1\nNULL|\"\"@2\n", ""},
		{"text escapes", "\\t\\x41\\101\\\\N\\q\\\tz\n", text, "\"\\tAA\\\\Nq\\tz\"@1\n", ""},
		{"text that ends in a backslash", "a\tb\\", text, "\"a\"|\"b\"@1\n", ""},
		{"text escaped newline", "a\\\nb\n", text, "\"a\\nb\"@1\n", ""},
		{"text end mark", "a\n\\.\nrest", text, "\"a\"@1\n", ""},
		{"text cr", "a\nb\rc\n", text, "\"a\"@1\n", pgerr.BadCopyFormat},
		{"empty", "", csv, "", ""},
		{"binary", header + binRow + "\xff\xff", bin, "\"x\"|NULL@1\n", ""},
		{"binary without trailer", header + binRow + binRow, bin, "\"x\"|NULL@1\n\"x\"|NULL@2\n", ""},
		{"binary without rows and trailer", header, bin, "", ""},
		{"binary row cut off", header + binRow + binRow[:5], bin, "\"x\"|NULL@1\n", pgerr.BadCopyFormat},
		{"binary without header", "", bin, "", pgerr.BadCopyFormat},
	} {
		for _, one := range []bool{false, true} {
			got, err := readAll(c.in, c.opt, one)
			if c.code == "" && err != nil || c.code != "" && pgerr.Code(err) != c.code || got != c.want {
				t.Errorf("%s (byte by byte %v): %q = %q, %v; want %q %s", c.name, one, c.in, got, err, c.want, c.code)
			}
		}
	}
}

func TestRowLimit(t *testing.T) {
	opt := DefaultOptions(CSV)
	opt.MaxRowBytes = 1 << 20
	r := NewReader(io.LimitReader(endless('x'), 10<<20), opt)
	if _, err := r.Next(); pgerr.Code(err) != pgerr.ProgramLimitExceeded {
		t.Fatalf("endless row: %v", err)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// What the writer writes, the reader reads back, whatever the bytes.
// TestLongFirstLine: how lines end is not known yet, which must not make each read look at all
// that was read before.
func TestLongFirstLine(t *testing.T) {
	line := strings.Repeat("x", 16<<20)
	for _, format := range []Format{Text, CSV} {
		r := NewReader(iotest.HalfReader(pieces{strings.NewReader(line + "\r\ny\r\n")}), DefaultOptions(format))
		for _, want := range []string{line, "y"} {
			fields, err := r.Next()
			if err != nil || len(fields) != 1 || string(fields[0]) != want {
				t.Fatalf("%d fields, %v", len(fields), err)
			}
		}
	}
}

// pieces are reads of 8 KiB at most.
type pieces struct{ io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 8<<10)]) }

// TestEscapesBetweenReads: an escape character protects what comes with the next read.
func TestEscapesBetweenReads(t *testing.T) {
	opt := DefaultOptions(CSV)
	opt.Escape = '\\'
	const in = "a,b\n\"c\\\"\nd\\\\\",e\nf,g\n"
	want, err := readAll(in, opt, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(in, opt, true); err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	alphabet := []byte("ab,\"\\\n\r\tN.;'\x00 1")
	for round := range 3000 {
		opt := DefaultOptions(Format(round % 3))
		rows := make([][][]byte, 1+rng.IntN(4))
		width := 1 + rng.IntN(3)
		var out []byte
		out = opt.AppendHeader(out, nil)
		for i := range rows {
			rows[i] = make([][]byte, width)
			out = opt.BeginRow(out, width)
			for j := range rows[i] {
				if rng.IntN(5) > 0 {
					rows[i][j] = make([]byte, rng.IntN(6))
					for k := range rows[i][j] {
						rows[i][j][k] = alphabet[rng.IntN(len(alphabet))]
					}
				}
				out = opt.AppendField(out, j, width, rows[i][j], rows[i][j] == nil)
			}
			out = opt.EndRow(out)
		}
		out = opt.AppendTrailer(out)
		r := NewReader(iotest.HalfReader(bytes.NewReader(out)), opt)
		for i := range rows {
			fields, err := r.Next()
			if err != nil || len(fields) != width {
				t.Fatalf("row %d of %q: %q, %v", i, out, fields, err)
			}
			for j := range fields {
				if (fields[j] == nil) != (rows[i][j] == nil) || !bytes.Equal(fields[j], rows[i][j]) {
					t.Fatalf("row %d field %d of %q: got %q want %q", i, j, out, fields[j], rows[i][j])
				}
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("after %q: %v", out, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a,\"b\"\n\\.\n"), uint8(1))
	f.Add([]byte("a\\x41\t\\N\r\n"), uint8(0))
	f.Add(append(append([]byte{}, signature...), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 255, 255), uint8(2))
	f.Fuzz(func(t *testing.T, src []byte, format uint8) {
		opt := DefaultOptions(Format(format % 3))
		opt.MaxRowBytes = 1 << 20
		r := NewReader(bytes.NewReader(src), opt)
		for {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
}

// Lines without quotes are split in a way of their own: it must give what the
// other gives.
func TestSplitPlain(t *testing.T) {
	const seed = 5
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20000 {
		opt := DefaultOptions(CSV)
		opt.Delimiter = ",;\x01\x80"[r.IntN(4)]
		opt.Null = []string{"", "a", "NULL"}[r.IntN(3)]
		opt.ForceNotNull = []bool{r.IntN(2) == 0, r.IntN(2) == 0}
		line := make([]byte, r.IntN(40))
		for i := range line {
			line[i] = []byte{'a', 'b', 0, 0x7f, 0xff, 0x81, opt.Delimiter, opt.Delimiter, opt.Delimiter ^ 1}[r.IntN(9)]
		}
		var got [2][][]byte
		for i := range got {
			rd := Reader{opt: opt, quotes: i == 1}
			fields, err := rd.splitCSV(bytes.Clone(line))
			if err != nil {
				t.Fatal(err)
			}
			got[i] = fields
		}
		if a, b := fmt.Sprintf("%#v", got[0]), fmt.Sprintf("%#v", got[1]); a != b {
			t.Fatalf("%q: got %s, want %s", line, a, b)
		}
	}
}
