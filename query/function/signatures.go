package function

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// The signatures are PostgreSQL 15's own, one object a line, fields separated by
// a blank and lists by commas, types by OID, "-" for an empty list:
//
//	functions   oid name args ret flags defaults kernel [out columns name:type]
//	operators   oid name left right ret function commutator negator [m][h]
//	casts       source target function context+method
//	aggregates  oid name args ret kind direct
//
// The flags of a function are its prokind (f, w), its provolatile (i, s, v) and
// s for strict, r for set-returning and v for variadic. Its kernel is the name
// of the C function that PostgreSQL calls (pg_proc.prosrc), or oidN for a
// function that PostgreSQL has written in SQL. A line without a kernel here is
// known, but not built in.
var (
	//go:embed signatures/procs.txt
	functionSignatures string
	//go:embed signatures/operators.txt
	operatorSignatures string
	//go:embed signatures/casts.txt
	castSignatures string
	//go:embed signatures/aggregates.txt
	aggregateSignatures string
)

// kernels are the implementations of functions by their name in PostgreSQL's source.
type kernels map[string]kernel

type kernel struct {
	eval   evalFunc
	set    setFunc
	record recordFunc
	total  bool
}

// add sets the implementation of one or more kernel names.
func (k kernels) add(f evalFunc, names ...string) {
	for _, name := range names {
		if _, ok := k[name]; ok {
			panic("function: bug: two kernels called " + name)
		}
		k[name] = kernel{eval: f}
	}
}

// addSet does the same for set-returning functions.
func (k kernels) addSet(f setFunc, names ...string) {
	for _, name := range names {
		if _, ok := k[name]; ok {
			panic("function: bug: two kernels called " + name)
		}
		k[name] = kernel{set: f}
	}
}

func (r *Registry) loadFunctions(k kernels) {
	for line := range strings.Lines(functionSignatures) {
		f, kernelName := parseFunction(line)
		if strings.Contains(line, " w") && strings.Fields(line)[4][0] == 'w' {
			r.windows = append(r.windows, f)
			r.byOID[f.OID] = f
			continue
		}
		impl, ok := k[kernelName]
		if !ok {
			if impl, ok = ioKernel(f, kernelName); !ok {
				r.absent[f.Name] = true
				continue
			}
		}
		f.Eval, f.EvalSet, f.EvalRecord, f.Total = impl.eval, impl.set, impl.record, impl.total
		r.addFunction(f)
	}
}

func parseFunction(line string) (f *Function, kernelName string) {
	w := strings.Fields(line)
	flags := w[4]
	f = &Function{
		OID:        parseOID(w[0]),
		Name:       w[1],
		Args:       parseOIDs(w[2]),
		Ret:        parseOID(w[3]),
		Volatility: Volatility(flags[1]),
		Strict:     strings.Contains(flags[2:], "s"),
		RetSet:     strings.Contains(flags[2:], "r"),
		Variadic:   strings.Contains(flags[2:], "v"),
	}
	f.Defaults, _ = strconv.Atoi(w[5])
	f.Source = w[6]
	if strings.HasPrefix(f.Source, "oid") && f.Source != "oid" && strings.Trim(f.Source[3:], "0123456789") == "" {
		f.Source = f.Name // PostgreSQL has it in SQL
	}
	if len(w) > 7 {
		for _, col := range strings.Split(w[7], ",") {
			name, oid, _ := strings.Cut(col, ":")
			f.OutNames = append(f.OutNames, name)
			f.OutTypes = append(f.OutTypes, parseOID(oid))
		}
	}
	if f.Variadic {
		f.Args[len(f.Args)-1] = variadicElement(f.Args[len(f.Args)-1])
	}
	return f, w[6]
}

// variadicElement returns the type that a variadic argument repeats; pg_proc
// declares the array.
func variadicElement(declared datum.OID) datum.OID {
	switch declared {
	case datum.AnyOID:
		return datum.AnyOID
	case datum.AnyArray:
		return datum.AnyElement
	case datum.AnyCompatibleArray:
		return datum.AnyCompatible
	case datum.TextArray:
		return datum.Text
	case datum.Float8Array:
		return datum.Float8
	default:
		panic("function: bug: variadic argument of an unexpected type")
	}
}

func (r *Registry) loadOperators() {
	for line := range strings.Lines(operatorSignatures) {
		w := strings.Fields(line)
		fn := r.byOID[parseOID(w[5])]
		if fn == nil {
			continue
		}
		op := &Operator{
			OID:        parseOID(w[0]),
			Name:       w[1],
			Left:       parseOID(w[2]),
			Right:      parseOID(w[3]),
			Ret:        parseOID(w[4]),
			Fn:         fn,
			Commutator: absentToEmpty(w[6]),
			Negator:    absentToEmpty(w[7]),
		}
		if len(w) > 8 {
			op.CanMerge = strings.Contains(w[8], "m")
			op.CanHash = strings.Contains(w[8], "h")
		}
		r.operators = append(r.operators, op)
		r.opsByName[op.Name] = append(r.opsByName[op.Name], op)
		r.opsByOID[op.OID] = op
		if r.opsByFn[fn.OID] == nil {
			r.opsByFn[fn.OID] = op
		}
	}
}

func (r *Registry) loadCasts() {
	for line := range strings.Lines(castSignatures) {
		w := strings.Fields(line)
		c := &Cast{
			Source:  parseOID(w[0]),
			Target:  parseOID(w[1]),
			Context: CastContext(w[3][0]),
			Binary:  w[3][1] == 'b',
		}
		if oid := parseOID(w[2]); oid != 0 {
			if c.Fn = r.byOID[oid]; c.Fn == nil {
				continue
			}
		}
		if c.Binary {
			c.Fn = reinterpretation(c.Source, c.Target)
		}
		r.casts = append(r.casts, c)
		r.castsByKey[castKey{c.Source, c.Target}] = c
	}
}

// reinterpretation is the function of a cast that changes nothing in PostgreSQL,
// but the Arrow type here: between integers and OIDs. It is nil for others.
func reinterpretation(source, target datum.OID) *Function {
	f := &Function{OID: castFunctionOID, Name: datum.Of(target).String(), Args: []datum.OID{source}, Ret: target,
		Volatility: Immutable, Strict: true, Total: true}
	switch isOID := datum.Of(target).Arrow().ID() == arrow.UINT32; {
	case source == datum.Int4 && isOID:
		f.Eval = map1(func(v int32) uint32 { return uint32(v) })
	case target == datum.Int4:
		f.Eval = map1(func(v uint32) int32 { return int32(v) })
	default:
		return nil
	}
	return f
}

// castFunctionOID is the OID of such functions, which pg_proc does not list.
const castFunctionOID = 9949

func (r *Registry) loadAggregates(impls map[string]aggregateKernel) {
	for line := range strings.Lines(aggregateSignatures) {
		w := strings.Fields(line)
		impl, ok := impls[w[1]+"("+w[2]+")"]
		if !ok {
			if impl, ok = impls[w[1]]; !ok {
				r.absent[w[1]] = true
				continue
			}
		}
		a := &Aggregate{
			OID:          parseOID(w[0]),
			Name:         w[1],
			Args:         parseOIDs(w[2]),
			Variadic:     strings.Contains(w[4], "v"),
			Ret:          parseOID(w[3]),
			Ordered:      impl.ordered,
			OrderedSet:   w[4][0] != 'n',
			Hypothetical: w[4][0] == 'h',
			New:          impl.new,
			Scan:         impl.scan,
		}
		a.Direct, _ = strconv.Atoi(w[5])
		r.addAggregate(a)
	}
}

func absentToEmpty(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func parseOID(s string) datum.OID {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic("function: bug: bad OID in the signatures: " + s)
	}
	return datum.OID(n)
}

func parseOIDs(s string) []datum.OID {
	if s == "-" {
		return nil
	}
	var oids []datum.OID
	for _, w := range strings.Split(s, ",") {
		oids = append(oids, parseOID(w))
	}
	return oids
}
