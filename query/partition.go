package query

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// PartitionNames returns a function that spells the keys of a table's
// partitions for people: the number of a HASH bucket, the values of LIST as SQL
// constants, nothing for the one partition of a table that has no more; behind it,
// from the second of the table's layouts on, the number of the layout after an @.
// A key that cannot be read back is spelled in hexadecimal.
func PartitionNames(t *schema.Table) func(key string) string {
	name := hexKey
	switch t.PartitionKind {
	case schema.PartitionHash:
		name = bucketName
	case schema.PartitionList:
		if r, err := bind.PartitionRouter(t); err == nil {
			types := r.Types()
			name = func(key string) string { return listName(types, key) }
		}
	}
	return func(key string) string {
		g, plain := schema.SplitPartitionKey(key)
		if g == 0 {
			return name(plain)
		}
		return name(plain) + "@" + strconv.Itoa(g)
	}
}

func hexKey(key string) string { return hex.EncodeToString([]byte(key)) }

func bucketName(key string) string {
	if len(key) != 2 {
		return hexKey(key)
	}
	return strconv.Itoa(int(binary.BigEndian.Uint16([]byte(key))))
}

func listName(types []datum.Type, key string) string {
	values := make([]string, len(types))
	rest := []byte(key)
	for i, t := range types {
		v, more, err := datum.DecodeKey(t, rest, datum.KeyOrder{})
		if err != nil {
			return hexKey(key)
		}
		values[i], rest = constant(t, v), more
	}
	if len(rest) > 0 {
		return hexKey(key)
	}
	return strings.Join(values, ", ")
}

// constant is a value as SQL, without its type.
func constant(t datum.Type, v datum.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(v)
	case int16, int32, int64, datum.OID:
		return string(datum.AppendText(nil, t, v, nil))
	}
	return ast.QuoteLiteral(string(datum.AppendText(nil, t, v, nil)))
}
