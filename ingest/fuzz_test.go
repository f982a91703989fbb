package ingest

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/datum"
)

// FuzzDecodeEntry decodes any bytes. What is taken can be read by package
// datum and survives being written again.
func FuzzDecodeEntry(f *testing.F) {
	_, entries := goldenEntries()
	for _, e := range entries {
		f.Add(e)
	}
	r := newRand(f)
	for _, rows := range []int{1, 3, 70} {
		p := randomPart(r, memory.DefaultAllocator, storableTypes, rows)
		p.Staged = stagedEntries(r, 1)
		f.Add(must(AppendRecords(nil, []*Record{{Versions: 1, Condition: &Condition{Seq: 4}, Parts: []Part{p, p}}})))
	}
	l := busLayout(true)
	batch := busBatch(r, memory.DefaultAllocator, l, 600, 0, 1)
	p := Part{Rows: batch}
	for _, c := range l.Columns {
		p.Columns, p.Types = append(p.Columns, c.ID), append(p.Types, c.Type)
	}
	f.Add(must(AppendRecords(nil, []*Record{{Versions: 1, Parts: []Part{p}}}))) // compressed
	env := &datum.Env{ExtraFloatDigits: 1}
	f.Fuzz(func(t *testing.T, src []byte) {
		records := decodeDamaged(t, src, false)
		if records == nil {
			return
		}
		for _, rec := range records {
			for i := range rec.Parts {
				readAll(&rec.Parts[i], env)
			}
		}
		again, err := AppendRecords(nil, records)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		back, _, err := decodeEntry(memory.DefaultAllocator, again)
		if err != nil {
			t.Fatalf("cannot be read again: %v", err)
		}
		sameRecords(t, back, records)
	})
}

// readAll has package datum read up to 100 values of each column.
func readAll(p *Part, env *datum.Env) {
	if p.Rows == nil {
		return
	}
	var buf []byte
	for i, typ := range p.Types {
		a := p.Rows.Column(i)
		last := -1
		for row := range min(a.Len(), 100) {
			buf = datum.AppendKey(buf[:0], typ, a, row, datum.KeyOrder{})
			datum.Hash(typ, a, row, 0)
			if a.IsNull(row) {
				continue
			}
			buf = datum.AppendTextAt(buf[:0], typ, a, row, env)
			buf = datum.AppendBinaryAt(buf[:0], typ, a, row, nil)
			datum.ValueAt(typ, a, row)
			if last >= 0 {
				datum.CompareAt(typ, a, row, a, last)
			}
			last = row
		}
	}
}
