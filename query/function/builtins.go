package function

// builtinKernels collects the kernels of PostgreSQL's functions, group by group.
func builtinKernels() kernels {
	k := kernels{}
	comparisonKernels(k)
	intKernels(k)
	floatKernels(k)
	textBasics(k)
	boolKernels(k)
	return k
}

// ownFunctions are the functions that PostgreSQL does not have; their OIDs are 9900 to 9949.
func ownFunctions() []*Function { return nil }

// builtinAggregates collects the aggregates' kernels by "name(argument OIDs)", or
// by name for all signatures of a name.
func builtinAggregates() map[string]aggregateKernel {
	m := map[string]aggregateKernel{}
	countAggregates(m)
	sumAggregates(m)
	extremeAggregates(m)
	boolAggregates(m)
	return m
}

// ownAggregates are those that PostgreSQL does not have; their OIDs are 9950 to 9999.
func ownAggregates() []*Aggregate { return nil }
