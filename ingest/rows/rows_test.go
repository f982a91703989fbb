package rows

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

var table = &schema.Table{Name: "t", Columns: []schema.Column{
	{ID: 1, Name: "id", Type: datum.Of(datum.Int4)},
	{ID: 2, Name: "name", Type: datum.Of(datum.Text)},
	{ID: 3, Name: "at", Type: datum.Of(datum.TimestampTZ), Default: "now()"},
	{ID: 4, Name: "doc", Type: datum.Of(datum.JSONB)},
	{ID: 5, Name: "tags", Type: datum.Of(datum.TextArray)},
}}

// collect renders what a decoder hands on: the columns, then a line a row.
func collect(decode func(Sink) (int64, error)) (string, error) {
	var b strings.Builder
	n, err := decode(func(columns []int, batch arrow.RecordBatch) error {
		fmt.Fprintln(&b, columns)
		for row := range int(batch.NumRows()) {
			for i, c := range columns {
				if i > 0 {
					b.WriteByte('|')
				}
				if col := batch.Column(i); col.IsNull(row) {
					b.WriteString("NULL")
				} else {
					b.Write(datum.AppendTextAt(nil, table.Columns[c].Type, col, row, &datum.Env{}))
				}
			}
			b.WriteByte('\n')
		}
		return nil
	})
	if err == nil {
		fmt.Fprintln(&b, n)
	}
	return b.String(), err
}

func TestNDJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", " \n", "0\n"},
		{"types", `{"id":1,"name":"a\u00e9\"","doc":{"b":1,"a":[true]},"tags":["x",null,"a\"b"]}`,
			"[0 1 3 4]\n1|aé\"|{\"a\": [true], \"b\": 1}|{x,NULL,\"a\\\"b\"}\n1\n"},
		{"text number", `{"id":"7","name":12.50}` + "\n" + `{"name":true}`, "[0 1 3 4]\n7|12.50|NULL|NULL\nNULL|true|NULL|NULL\n2\n"},
		{"default", `{"id":1}` + "\n" + `{"id":2,"at":null}` + "\n" + `{"id":3,"at":"2020-01-01T00:00:00Z"}`,
			"[0 1 3 4]\n1|NULL|NULL|NULL\n[0 1 2 3 4]\n2|NULL|NULL|NULL|NULL\n3|NULL|2020-01-01 00:00:00+00|NULL|NULL\n3\n"},
		{"last name wins", `{"id":1,"id":2}`, "[0 1 3 4]\n2|NULL|NULL|NULL\n1\n"},
		{"json scalars", `{"doc":"x"} {"doc":1.0} {"doc":null}`, "[0 1 3 4]\nNULL|NULL|\"x\"|NULL\nNULL|NULL|1.0|NULL\nNULL|NULL|NULL|NULL\n3\n"},
	} {
		got, err := collect(func(s Sink) (int64, error) {
			return NDJSON(strings.NewReader(c.in), table, &datum.Env{}, 1<<20, s)
		})
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n got %q\nwant %q", c.name, err, got, c.want)
		}
	}
}

func TestCSV(t *testing.T) {
	got, err := collect(func(s Sink) (int64, error) {
		return CSV(strings.NewReader("\ufeffname,id\r\n\"a,b\",1\r\n,2\r\n\"\",\r\n"), table, &datum.Env{}, 1<<20, s)
	})
	if want := "[1 0]\na,b|1\nNULL|2\n|NULL\n3\n"; err != nil || got != want {
		t.Errorf("%v\n got %q\nwant %q", err, got, want)
	}
}

func TestBadRows(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	for _, c := range []struct {
		name, format, in string
		row              int64
		column, value    string
		code             string
	}{
		{"value", "ndjson", `{"id":1}` + "\n" + `{"id":"x"}`, 2, "id", "x", pgerr.InvalidText},
		{"range", "ndjson", `{"id":3000000000}`, 1, "id", "3000000000", pgerr.NumericOutOfRange},
		{"unknown column", "ndjson", `{"ID":1}`, 1, "ID", "", pgerr.UndefinedColumn},
		{"no object", "ndjson", `[1]`, 1, "", "[", pgerr.InvalidText},
		{"torn", "ndjson", `{"id":1}{"id":`, 2, "", "", pgerr.InvalidText},
		{"not json", "ndjson", `{"id":1}` + "\n{id:1}", 2, "", "", pgerr.InvalidText},
		{"object in int", "ndjson", `{"id":{}}`, 1, "id", "{}", pgerr.InvalidText},
		{"utf8", "ndjson", "{\"name\":\"\xff\"}", 1, "", "", pgerr.CharacterNotInRepertoire},
		{"nul", "ndjson", `{"name":"\u0000"}`, 1, "name", "\x00", pgerr.CharacterNotInRepertoire},
		{"long", "ndjson", `{"name":"` + long + `"}`, 1, "", "", pgerr.ProgramLimitExceeded},
		{"csv value", "csv", "id,name\n1,a\nx,b\n", 2, "id", "x", pgerr.InvalidText},
		{"csv header", "csv", "id,nope\n", 0, "", "", pgerr.UndefinedColumn},
		{"csv twice", "csv", "id,id\n", 0, "", "", pgerr.DuplicateColumn},
		{"csv short", "csv", "id,name\n1\n", 1, "name", "", pgerr.BadCopyFormat},
		{"csv more", "csv", "id\n1,2\n", 1, "", "", pgerr.BadCopyFormat},
		{"csv utf8", "csv", "name\n\xff\n", 1, "name", "\xff", pgerr.CharacterNotInRepertoire},
		{"csv long", "csv", "name\n" + long, 1, "", "", pgerr.ProgramLimitExceeded},
	} {
		decode := NDJSON
		if c.format == "csv" {
			decode = CSV
		}
		_, err := collect(func(s Sink) (int64, error) {
			return decode(strings.NewReader(c.in), table, &datum.Env{}, 1<<20, s)
		})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v names no row", c.name, err)
			continue
		}
		if e.Row != c.row || e.Column != c.column || e.Value != c.value || pgerr.Code(err) != c.code {
			t.Errorf("%s: row %d column %q value %q code %s; want %d %q %q %s (%v)", c.name, e.Row, e.Column, e.Value, pgerr.Code(err), c.row, c.column, c.value, c.code, err)
		}
	}
}

// A stream that fails is not a bad row.
func TestBrokenStream(t *testing.T) {
	boom := errors.New("boom")
	for _, decode := range []func(io.Reader, *schema.Table, *datum.Env, int, Sink) (int64, error){NDJSON, CSV} {
		_, err := decode(io.MultiReader(strings.NewReader("id\n"), failing{boom}), table, &datum.Env{}, 1<<20, func([]int, arrow.RecordBatch) error { return nil })
		if err == nil {
			t.Error("a broken stream went unnoticed")
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":1,"doc":{"a":[1]},"tags":["x"]}`), true)
	f.Add([]byte("id,name\n1,\"a\"\n"), false)
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		decode := CSV
		if json {
			decode = NDJSON
		}
		sink := func([]int, arrow.RecordBatch) error { return nil }
		if n, err := decode(strings.NewReader(string(src)), table, &datum.Env{}, 1<<16, sink); err != nil && n != 0 {
			t.Fatalf("%d rows and %v", n, err)
		}
	})
}
