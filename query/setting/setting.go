// Package setting holds the run-time parameters of SQL sessions: their names,
// types and defaults (those of PostgreSQL that clients rely on, and ours), and a
// session's values with PostgreSQL's rules of SET, SET LOCAL and RESET inside
// transactions.
package setting

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Kind is a parameter's type, as in pg_settings.vartype.
type Kind string

const (
	Bool    Kind = "bool"
	Integer Kind = "integer"
	Real    Kind = "real"
	String  Kind = "string"
	Enum    Kind = "enum"
)

// Scope says who may change a parameter, as in pg_settings.context.
type Scope string

const (
	User       Scope = "user"
	Superuser  Scope = "superuser"
	Postmaster Scope = "postmaster"
	Internal   Scope = "internal"
)

// A Def describes a parameter.
type Def struct {
	Name     string
	Kind     Kind
	Default  string
	Unit     string // base unit of integers: ms, s, kB, 8kB, B
	Enum     []string
	Min, Max float64
	Scope    Scope
	Report   bool // told to the client by ParameterStatus
	Category string
	Desc     string
	// Check canonicalises a value; nil accepts what the kind accepts.
	Check func(string) (string, error)
	// Complete makes a whole value of one that changes but a part of the present one; nil takes it as it is.
	Complete func(present, v string) (string, error)
}

// Lookup finds a parameter's definition by its name in any case.
func Lookup(name string) (*Def, bool) {
	d, ok := byName[strings.ToLower(name)]
	return d, ok
}

// All returns the definitions by name.
func All() []*Def { return sorted }

var (
	byName = index()
	sorted = order()
)

func index() map[string]*Def {
	m := make(map[string]*Def, len(definitions))
	for i := range definitions {
		m[strings.ToLower(definitions[i].Name)] = &definitions[i]
	}
	return m
}

func order() []*Def {
	all := make([]*Def, 0, len(definitions))
	for i := range definitions {
		all = append(all, &definitions[i])
	}
	sort.Slice(all, func(i, j int) bool { return strings.ToLower(all[i].Name) < strings.ToLower(all[j].Name) })
	return all
}

// Canonical returns the value in the form that is stored, or PostgreSQL's error.
func (d *Def) Canonical(v string) (string, error) {
	var err error
	switch d.Kind {
	case Bool:
		v, err = d.boolean(v)
	case Integer, Real:
		v, err = d.number(v)
	case Enum:
		v, err = d.oneOf(v)
	}
	if err != nil {
		return "", err
	}
	if d.Check != nil {
		return d.Check(v)
	}
	return v, nil
}

func (d *Def) boolean(v string) (string, error) {
	switch l := strings.ToLower(strings.TrimSpace(v)); {
	case l == "1" || l == "on" || l != "" && (strings.HasPrefix("true", l) || strings.HasPrefix("yes", l)):
		return "on", nil
	case l == "0" || len(l) > 1 && strings.HasPrefix("off", l) || l != "" && (strings.HasPrefix("false", l) || strings.HasPrefix("no", l)):
		return "off", nil
	}
	return "", pgerr.New(pgerr.InvalidParameterValue, "parameter %q requires a Boolean value", d.Name)
}

func (d *Def) oneOf(v string) (string, error) {
	for _, e := range d.Enum {
		if strings.EqualFold(e, v) {
			return e, nil
		}
	}
	err := pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter %q: %q", d.Name, v)
	return "", err.WithHint("Available values: %s.", strings.Join(d.Enum, ", "))
}

// unitScale gives the units that a value may carry, in multiples of the base unit.
var unitScale = map[string]map[string]float64{
	"ms": {"us": 0.001, "ms": 1, "s": 1000, "min": 60000, "h": 3600000, "d": 86400000},
	"s":  {"us": 0.000001, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400},
	"kB": {"B": 1.0 / 1024, "kB": 1, "MB": 1024, "GB": 1024 * 1024, "TB": 1024 * 1024 * 1024},
	"B":  {"B": 1, "kB": 1024, "MB": 1024 * 1024, "GB": 1024 * 1024 * 1024, "TB": 1024 * 1024 * 1024 * 1024},
}

func (d *Def) number(v string) (string, error) {
	s := strings.TrimSpace(v)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(s[len(digits):])
	f, err := strconv.ParseFloat(digits, 64)
	invalid := pgerr.New(pgerr.InvalidParameterValue, "invalid value for parameter %q: %q", d.Name, v)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", invalid
	}
	if unit != "" {
		scale, ok := unitScale[d.Unit][unit]
		if !ok {
			return "", invalid
		}
		f *= scale
	}
	if d.Kind == Integer {
		f = math.RoundToEven(f)
	}
	if f < d.Min || f > d.Max {
		return "", pgerr.New(pgerr.InvalidParameterValue, "%s%s is outside the valid range for parameter %q (%s .. %s)",
			trim(f), d.unitSuffix(), d.Name, trim(d.Min), trim(d.Max))
	}
	return trim(f), nil
}

func (d *Def) unitSuffix() string {
	if d.Unit == "" {
		return ""
	}
	return " " + d.Unit
}

func trim(f float64) string { return strconv.FormatFloat(f, 'g', 17, 64) }

// Show returns a stored value as SHOW prints it: integers with a unit are
// given in the largest unit that divides them.
func (d *Def) Show(v string) string {
	if d.Kind != Integer || d.Unit == "" {
		return v
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n <= 0 {
		return v
	}
	best, bestScale := d.Unit, 1.0
	for u, s := range unitScale[d.Unit] {
		if s >= bestScale && s >= 1 && n%int64(s) == 0 {
			best, bestScale = u, s
		}
	}
	return fmt.Sprintf("%d%s", n/int64(bestScale), best)
}
