package function

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// sizeKernels are the sizes of relations, and sizes as people write them.
func sizeKernels(k kernels) {
	k.add(fn1(func(v int64) (string, error) { return prettySize(datum.DecimalFromInt(v)), nil }), "pg_size_pretty")
	k.add(fn1(func(v datum.Decimal) (string, error) { return prettySize(v), nil }), "pg_size_pretty_numeric")
	k.add(fn1(sizeBytes), "pg_size_bytes")
	k.add(relationSizes, "oid2325", "pg_table_size", "pg_total_relation_size", "pg_relation_size")
	k.add(fn1c(func(c *Context, name string) (int64, error) {
		oid, err := findDatabase(c, name)
		if err != nil {
			return 0, err
		}
		return databaseSize(c, oid)
	}), "pg_database_size_name")
	k.add(fn1c(func(c *Context, oid datum.OID) (int64, error) {
		if oid == 0 || c.Catalog.DatabaseOf(oid) == nil {
			return 0, pgerr.New(pgerr.InvalidCatalogName, "database with OID %d does not exist", oid)
		}
		return databaseSize(c, oid)
	}), "pg_database_size_oid")
}

// A sizeUnit is used for sizes below limit, in units of itself, or of half of
// itself if rounds.
type sizeUnit struct {
	name   string
	limit  int64
	rounds bool
	bits   int
}

var sizeUnits = [...]sizeUnit{
	{"bytes", 10 * 1024, false, 0},
	{"kB", 20*1024 - 1, true, 10},
	{"MB", 20*1024 - 1, true, 20},
	{"GB", 20*1024 - 1, true, 30},
	{"TB", 20*1024 - 1, true, 40},
	{"PB", 20*1024 - 1, true, 50},
}

// prettySize writes a number of bytes in the unit in which it has up to five digits.
func prettySize(v datum.Decimal) string {
	if v.Kind != datum.Finite {
		return v.String() + " PB"
	}
	for i, u := range sizeUnits {
		abs := v
		abs.Neg = false
		limit := datum.DecimalFromInt(u.limit)
		if i+1 == len(sizeUnits) || abs.Cmp(&limit) < 0 {
			if u.rounds {
				v = halfRounded(v)
			}
			return v.String() + " " + u.name
		}
		next := sizeUnits[i+1]
		bits := next.bits - u.bits
		if next.rounds {
			bits--
		}
		if u.rounds {
			bits++
		}
		v, _ = divTrunc(v, datum.DecimalFromInt(1<<bits))
	}
	panic("function: bug: the last unit takes all sizes")
}

// halfRounded halves, away from zero.
func halfRounded(v datum.Decimal) datum.Decimal {
	one := datum.DecimalFromInt(1)
	one.Neg = v.Neg
	sum, _ := addDecimal(v, one)
	half, _ := divTrunc(sum, datum.DecimalFromInt(2))
	return half
}

// sizeBytes reads a size such as 1.5 GB.
func sizeBytes(s string) (int64, error) {
	trimmed := strings.TrimSpace(s)
	end := 0
	for end < len(trimmed) && (trimmed[end]-'0' < 10 || trimmed[end] == '.' || end == 0 && (trimmed[0] == '+' || trimmed[0] == '-')) {
		end++
	}
	if rest := strings.TrimLeft(trimmed[end:], "eE"); len(rest) == len(trimmed)-end-1 {
		digits := len(rest) - len(strings.TrimLeft(strings.TrimLeft(rest, "+-"), "0123456789"))
		if _, err := strconv.Atoi(rest[:digits]); err == nil {
			end += 1 + digits
		}
	}
	number, err := datum.ParseDecimal(trimmed[:end])
	if err != nil || !strings.ContainsAny(trimmed[:end], "0123456789") {
		return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid size: \"%s\"", s)
	}
	if unit := strings.TrimSpace(trimmed[end:]); unit != "" {
		bits, ok := unitBits(unit)
		if !ok {
			return 0, pgerr.New(pgerr.InvalidParameterValue, "invalid size: \"%s\"", s).WithDetail("Invalid size unit: \"%s\".", unit).
				WithHint("Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".")
		}
		if number, err = mulDecimal(number, datum.DecimalFromInt(1<<bits)); err != nil {
			return 0, err
		}
	}
	return numericToInt[int64](number)
}

func unitBits(name string) (int, bool) {
	for _, u := range sizeUnits {
		if strings.EqualFold(name, u.name) {
			return u.bits, true
		}
	}
	return 0, false
}
