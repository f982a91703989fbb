package catalog

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

const languageInternal datum.OID = 12

// firstOwnCast is where the OIDs of casts begin, which the registry has none
// for. PostgreSQL numbers them when it makes a database, in this range too.
const firstOwnCast = 10000

// ioFunctions are the input and output functions of types: pg_type refers to
// them, but no one calls them by name here.
var ioFunctions = sync.OnceValue(func() [][]string { return staticLines("pg_proc_io") })

func isIOFunction(oid datum.OID) bool {
	return slices.ContainsFunc(ioFunctions(), func(f []string) bool { return parseOID(f[0]) == oid })
}

// procs are the rows of pg_proc.
func procs(s *Set, w *writer) {
	w.columns("oid", "proname", "pronamespace", "proowner", "prolang", "procost", "prorows", "provariadic", "prokind",
		"proisstrict", "proretset", "provolatile", "proparallel", "pronargs", "pronargdefaults", "prorettype", "proargtypes",
		"proallargtypes", "proargmodes", "proargnames", "prosrc")
	known := map[datum.OID]bool{}
	add := func(f *function.Function, kind string) {
		known[f.OID] = true
		args, variadic := declaredArgs(f.Args, f.Variadic)
		rows := 0
		if f.RetSet {
			rows = 1000
		}
		all, modes, names := argModes(args, f, variadic != 0)
		w.add(f.OID, f.Name, schema.PGCatalogOID, bootstrapRole, languageInternal, 1, rows, variadic, kind, f.Strict, f.RetSet,
			byte(f.Volatility), "s", len(args), f.Defaults, f.Ret, args, all, modes, names, cmp.Or(f.Source, f.Name))
	}
	for _, f := range s.registry.AllFunctions() {
		add(f, "f")
	}
	for _, f := range s.registry.AllWindowFunctions() {
		add(f, "w")
	}
	for _, a := range s.registry.AllAggregates() {
		known[a.OID] = true
		args, variadic := declaredArgs(a.Args, a.Variadic)
		w.add(a.OID, a.Name, schema.PGCatalogOID, bootstrapRole, languageInternal, 1, 0, variadic, "a", false, false, "i", "s",
			len(args), 0, a.Ret, args, nil, nil, nil, "aggregate_dummy")
	}
	for _, f := range ioFunctions() { // oid name args result volatility strict set
		oid := parseOID(f[0])
		if known[oid] {
			continue
		}
		args := []datum.OID{}
		for a := range strings.FieldsSeq(f[2]) {
			args = append(args, parseOID(a))
		}
		w.add(oid, f[1], schema.PGCatalogOID, bootstrapRole, languageInternal, 1, 0, 0, "f", f[5] == "1", f[6] == "1", f[4], "s",
			len(args), 0, parseOID(f[3]), args, nil, nil, nil, f[1])
	}
}

// declaredArgs returns the argument types as pg_proc has them, where the last
// of a variadic function is an array.
func declaredArgs(args []datum.OID, variadic bool) ([]datum.OID, datum.OID) {
	if !variadic || len(args) == 0 {
		return append([]datum.OID{}, args...), 0
	}
	out := slices.Clone(args)
	last := &out[len(out)-1]
	elem := *last
	switch elem {
	case datum.AnyElement:
		*last = datum.AnyArray
	case datum.AnyCompatible:
		*last = datum.AnyCompatibleArray
	case datum.AnyOID:
	default:
		if t, ok := datum.ArrayOf(datum.Of(elem)); ok {
			*last = t.OID
		} else if e, ok := datum.Of(elem).Elem(); ok { // declared as the array already
			elem = e.OID
		}
	}
	return out, elem
}

// argModes returns proallargtypes, proargmodes and proargnames, which only
// functions with several result columns or a variadic argument have.
func argModes(args []datum.OID, f *function.Function, variadic bool) (all []datum.OID, modes, names []string) {
	if len(f.OutTypes) == 0 && !variadic {
		return nil, nil, nil
	}
	for i, a := range args {
		mode := "i"
		if variadic && i == len(args)-1 {
			mode = "v"
		}
		all, modes = append(all, a), append(modes, mode)
	}
	if len(f.OutTypes) == 0 {
		return all, modes, nil
	}
	names = make([]string, len(args), len(args)+len(f.OutTypes))
	for i, t := range f.OutTypes {
		all, modes, names = append(all, t), append(modes, "o"), append(names, f.OutNames[i])
	}
	return all, modes, names
}

func aggregates(s *Set, w *writer) {
	w.columns("aggfnoid", "aggkind", "aggnumdirectargs", "aggfinalmodify", "aggmfinalmodify", "aggtranstype")
	for _, a := range s.registry.AllAggregates() {
		kind := "n"
		if a.OrderedSet {
			kind = "o"
		}
		w.add(a.OID, kind, a.Direct, "r", "r", a.Ret)
	}
}

func operators(s *Set, w *writer) {
	w.columns("oid", "oprname", "oprnamespace", "oprowner", "oprkind", "oprcanmerge", "oprcanhash", "oprleft", "oprright",
		"oprresult", "oprcom", "oprnegate", "oprcode")
	find := func(name string, left, right datum.OID) datum.OID {
		if name == "" {
			return 0
		}
		for _, o := range s.registry.Operators(name) {
			if o.Left == left && o.Right == right {
				return o.OID
			}
		}
		return 0
	}
	for _, o := range s.registry.AllOperators() {
		kind := "b"
		if o.Left == 0 {
			kind = "l"
		}
		var code datum.OID
		if o.Fn != nil {
			code = o.Fn.OID
		}
		equals := o.Name == "="
		w.add(o.OID, o.Name, schema.PGCatalogOID, bootstrapRole, kind, equals, equals, o.Left, o.Right, o.Ret,
			find(o.Commutator, o.Right, o.Left), find(o.Negator, o.Left, o.Right), code)
	}
}

func casts(s *Set, w *writer) {
	w.columns("oid", "castsource", "casttarget", "castfunc", "castcontext", "castmethod")
	for i, c := range s.registry.Casts() {
		method, fn := "i", datum.OID(0)
		switch {
		case c.Binary:
			method = "b"
		case c.Fn != nil:
			method, fn = "f", c.Fn.OID
		}
		w.add(firstOwnCast+i, c.Source, c.Target, fn, byte(c.Context), method)
	}
}
