package query

import (
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

func TestPartitionNames(t *testing.T) {
	key := func(values ...any) string {
		var b []byte
		for i := 0; i < len(values); i += 2 {
			b = datum.AppendValueKey(b, datum.Of(values[i].(datum.OID)), values[i+1], datum.KeyOrder{})
		}
		return string(b)
	}
	columns := []schema.Column{
		{ID: 1, Name: "city", Type: datum.Of(datum.Text)}, {ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)},
		{ID: 3, Name: "n", Type: datum.Of(datum.Int4)}, {ID: 4, Name: "ok", Type: datum.Of(datum.Bool)},
	}
	hash := &schema.Table{Name: "h", PartitionKind: schema.PartitionHash, Partitions: 4, Columns: columns, PartitionColumns: []schema.ColumnID{1}}
	list := &schema.Table{Name: "l", PartitionKind: schema.PartitionList, Columns: columns, PartitionExprs: []string{"city", "date_trunc('month', ts)"}}
	plain := &schema.Table{Name: "p", PartitionKind: schema.PartitionList, Columns: columns, PartitionExprs: []string{"n", "ok"}}
	broken := &schema.Table{Name: "b", PartitionKind: schema.PartitionList, Columns: columns, PartitionExprs: []string{"gone"}}
	for _, c := range []struct {
		table     *schema.Table
		key, want string
	}{
		{&schema.Table{Name: "one", Columns: columns}, "", ""},
		{hash, "\x00\x03", "3"},
		{hash, schema.PartitionKey(2, "\x00\x03"), "3@2"},
		{&schema.Table{Name: "one", Columns: columns}, schema.PartitionKey(1, ""), "@1"},
		{plain, schema.PartitionKey(63, key(datum.Int4, int32(-7), datum.Bool, true)), "-7, true@63"},
		{hash, "\x00", "00"},
		{list, key(datum.Text, "Lisbon", datum.TimestampTZ, datum.Micros(1709251200000000)), "'Lisbon', '2024-03-01 00:00:00+00'"},
		{list, key(datum.Text, "O'Hare", datum.TimestampTZ, nil), "'O''Hare', NULL"},
		{list, key(datum.Text, "Lisbon"), "014c6973626f6e0001"},
		{list, key(datum.Text, nil, datum.TimestampTZ, nil, datum.Text, nil), "020202"},
		{plain, key(datum.Int4, int32(-7), datum.Bool, true), "-7, true"},
		{broken, "\x02", "02"},
	} {
		if got := PartitionNames(c.table)(c.key); got != c.want {
			t.Errorf("table %s, key %x: %q, want %q", c.table.Name, c.key, got, c.want)
		}
	}
}
