package pgtest

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

// TestOrder sorts values of each type there and here.
func TestOrder(t *testing.T) {
	conn := connect(t)
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	exec(t, conn, set.sql)
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 5))
	corpora := map[datum.OID][]string{
		datum.Numeric: lines(numbers), datum.Float8: lines(numbers), datum.Float4: lines(numbers),
		datum.Interval: lines(intervals), datum.TimeTZ: lines(dates), datum.Timestamp: lines(dates), datum.TimestampTZ: lines(dates),
		datum.Date: lines(dates), datum.Time: lines(dates), datum.JSONB: append(lines(jsons), "[]", "[[]]", "{\"a\":[]}", "{\"b\":1}", "[1.0]", "[1.00]"),
		datum.BPChar: lines("\na\na \nab\na b\n b\nA\né\nz"), datum.Text: lines("a\na \nab\na b\n b\nA\né\nz"),
		datum.Bytea:        lines("\\x\n\\x00\n\\x0001\n\\xff\n\\x01\n\\x0000"),
		datum.VarBit:       lines("\n0\n1\n01\n10\n100\n11\n00000000\n000000001\n00000001"),
		datum.TextArray:    lines("{}\n{a}\n{a,b}\n{NULL}\n{a,NULL}\n{\"\"}\n{b}"),
		datum.NumericArray: lines("{}\n{1.0}\n{1.00}\n{1,2}\n{NaN}\n{NULL}\n{Infinity}\n{-1}"),
		datum.UUID:         lines("00000000-0000-0000-0000-000000000001\n10000000-0000-0000-0000-000000000000\nffffffff-0000-0000-0000-000000000000"),
	}
	for oid, corpus := range corpora {
		typ := datum.Of(oid)
		var texts []string
		var vals []datum.Value
		for _, s := range corpus {
			v, err := datum.Parse(typ, s, &set.env)
			if err != nil || theirs(t, conn, typ, s).err != "" {
				continue
			}
			vals = append(vals, v)
			texts = append(texts, s)
		}
		r.Shuffle(len(vals), func(i, j int) { vals[i], vals[j] = vals[j], vals[i]; texts[i], texts[j] = texts[j], texts[i] })
		name := typ.String()
		if oid == datum.BPChar {
			name = "bpchar"
		}
		sql := "select ord, dense_rank() over (order by cast(v as " + name + ")) from unnest($1::text[]) with ordinality x(v, ord) order by ord"
		lit := datum.AppendText(nil, datum.Of(datum.TextArray), textArray(texts), nil)
		res := conn.ExecParams(context.Background(), sql, [][]byte{lit}, nil, nil, nil).Read()
		if res.Err != nil {
			t.Fatal(typ, res.Err)
		}
		keys := make([]string, len(vals))
		for i, v := range vals {
			keys[i] = string(datum.AppendValueKey(nil, typ, v, datum.KeyOrder{}))
		}
		sorted := slices.Clone(keys)
		slices.Sort(sorted)
		sorted = slices.Compact(sorted)
		for i, row := range res.Rows {
			rank, _ := slices.BinarySearch(sorted, keys[i])
			if got, want := datum.DecimalFromInt(int64(rank+1)).String(), string(row[1]); got != want {
				t.Errorf("%v: %q has rank %s, want %s", typ, texts[i], got, want)
			}
		}
		if len(vals) < 3 {
			t.Errorf("%v: only %d values", typ, len(vals))
		}
	}
}

func textArray(s []string) datum.Array {
	a := datum.Array{Elem: datum.Of(datum.Text)}
	for _, x := range s {
		a.Values = append(a.Values, strings.ToValidUTF8(x, ""))
	}
	return a
}
