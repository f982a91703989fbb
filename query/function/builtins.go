package function

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// builtinKernels collects the kernels of PostgreSQL's functions, group by group.
func builtinKernels() kernels {
	k := kernels{}
	comparisonKernels(k)
	enumKernels(k)
	intKernels(k)
	floatKernels(k)
	numericKernels(k)
	numericMathKernels(k)
	convertKernels(k)
	textBasics(k)
	textEdits(k)
	textFormats(k)
	byteKernels(k)
	likeKernels(k)
	arrayKernels(k)
	setKernels(k)
	regexKernels(k)
	boolKernels(k)
	numberFormats(k)
	datetimeKernels(k)
	sessionKernels(k)
	sizeKernels(k)
	regKernels(k)
	describeKernels(k)
	definitionKernels(k)
	privilegeKernels(k)
	jsonKernels(k)
	hashKernels(k)
	return k
}

// ownFunctions are the functions that PostgreSQL's pg_catalog does not have; their
// OIDs are 9800 to 9949.
func ownFunctions() []*Function {
	expand := &Function{
		OID: 9900, Namespace: schema.InformationOID, Name: "_pg_expandarray",
		Args: []datum.OID{datum.AnyArray}, Ret: datum.Record, RetSet: true, Volatility: Immutable, Strict: true,
		OutNames: []string{"x", "n"}, OutTypes: []datum.OID{datum.AnyElement, datum.Int4}, EvalSet: expandArray,
	}
	return slices.Concat(timeBucketFunctions(), gapfillFunctions(), sketchFunctions(), geoFunctions(), extremeFunctions(), storageFunctions(), []*Function{expand})
}

// builtinAggregates collects the aggregates' kernels by "name(argument OIDs)", or
// by name for all signatures of a name.
func builtinAggregates() map[string]aggregateKernel {
	m := map[string]aggregateKernel{}
	countAggregates(m)
	sumAggregates(m)
	extremeAggregates(m)
	boolAggregates(m)
	numericAggregates(m)
	collectingAggregates(m)
	statisticsAggregates(m)
	orderedSetAggregates(m)
	hypotheticalAggregates(m)
	bitAggregates(m)
	jsonAggregates(m)
	intervalAggregates(m)
	return m
}

// ownAggregates are those that PostgreSQL does not have; their OIDs are 9950 to 9999.
func ownAggregates() []*Aggregate {
	timed := []datum.OID{datum.AnyElement, datum.AnyOID}
	own := []*Aggregate{
		{OID: 9950, Name: "first", Args: timed, Ret: datum.AnyElement, New: newTimed(-1)},
		{OID: 9951, Name: "last", Args: timed, Ret: datum.AnyElement, New: newTimed(1)},
		{OID: 9952, Name: "approx_count_distinct", Args: []datum.OID{datum.AnyOID}, Ret: datum.Int8, New: newApproxDistinct},
		histogramAggregate(9959),
	}
	return slices.Concat(own, counterAggregates(), sketchAggregates())
}
