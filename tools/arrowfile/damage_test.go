package arrowfile

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

var (
	damageSeed  = flag.Uint64("damage.seed", 0, "seed of the random damage; 0: a new one")
	damageTries = flag.Int("damage.tries", 60, "damaged files of each kind")
)

// sample is a file with a column of each kind of layout.
func sample(t testing.TB, f Format, rows int) []byte {
	t.Helper()
	list, _ := datum.ArrayOf(datum.Of(datum.Text))
	columns := []Column{{"id", datum.Of(datum.Int8)}, {"name", datum.Of(datum.Text)}, {"n", numeric(12, 2)}, {"tags", list}, {"u", datum.Of(datum.UUID)},
		{"ts", datum.Of(datum.TimestampTZ)}, {"ok", datum.Of(datum.Bool)}}
	values := [][]datum.Value{
		{int64(1), "one", datum.DecimalFromInt(-5), datum.Array{Elem: datum.Of(datum.Text), Values: []datum.Value{"a", nil}}, datum.UUIDValue{1}, datum.Micros(0), true},
		{int64(2), "two", datum.DecimalFromInt(7), datum.Array{Elem: datum.Of(datum.Text)}, datum.UUIDValue{2}, datum.InfinityMicros, false},
		make([]datum.Value, len(columns)),
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, f, columns, 4<<10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		row := make([][]byte, len(columns))
		for c, v := range values[i%len(values)] {
			if v != nil {
				row[c] = datum.AppendBinary(nil, columns[c].Type, v, nil)
			}
		}
		if err := w.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll reads a file and encodes its rows.
func readAll(t testing.TB, path string, f Format) (rows int64, err error) {
	t.Helper()
	r, err := Open(path, f)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var targets []Target
	for i, field := range r.Schema().Fields() {
		typ, err := TypeOf(field)
		if err != nil {
			return 0, err
		}
		targets = append(targets, Target{Name: field.Name, Type: typ, Field: i})
	}
	e, err := NewEncoder(r.Schema(), targets, Options{})
	if err != nil {
		return 0, err
	}
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		bound, err := e.Bind(b)
		if err == nil {
			_, _, err = bound.Append(nil, 0, int(b.NumRows()), 1<<30)
		}
		rows += b.NumRows()
		b.Release()
		if err != nil {
			return rows, err
		}
	}
}

// TestDamagedFiles cuts files off and changes bytes of them: nothing of it may end
// the process, and what is cut off is refused.
func TestDamagedFiles(t *testing.T) {
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-damage.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const rows = 20000
	for _, f := range []Format{Parquet, Arrow, Stream} {
		good := sample(t, f, rows)
		path := filepath.Join(t.TempDir(), "file")
		try := func(data []byte) (int64, error) {
			t.Helper()
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return readAll(t, path, f)
		}
		if n, err := try(good); err != nil || n != rows {
			t.Fatalf("%s: %d rows, %v", f, n, err)
		}
		for i := range *damageTries {
			cut := random.IntN(len(good))
			switch i {
			case 0, 1, 2, 3:
				cut = i * 3
			case 4:
				cut = len(good) - 8 // without the mark at the end of a stream
			}
			n, err := try(good[:cut])
			if err == nil {
				t.Errorf("%s: cut off at %d of %d: %d rows and no error", f, cut, len(good), n)
			}
		}
		refused := 0
		for range *damageTries {
			bad := bytes.Clone(good)
			for range 1 + random.IntN(8) {
				at := random.IntN(len(bad))
				if random.IntN(2) == 0 { // the ends say what is in a file
					at = max(0, len(bad)-1-random.IntN(2000))
				}
				bad[at] = byte(random.IntN(256))
			}
			if _, err := try(bad); err != nil {
				refused++
			}
		}
		t.Logf("%s: %d of %d damaged files were refused", f, refused, *damageTries)
	}
}
