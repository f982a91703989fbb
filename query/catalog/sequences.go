package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// sequences returns the sequences by OID.
func (e *Env) sequences() []*schema.Sequence {
	return slices.SortedFunc(maps.Values(e.Catalog.Sequences), func(a, b *schema.Sequence) int { return cmp.Compare(a.OID, b.OID) })
}

// sequenceColumns are those of a sequence as a relation.
var sequenceColumns = []Column{
	{"last_value", datum.Of(datum.Int8), true}, {"log_cnt", datum.Of(datum.Int8), true}, {"is_called", datum.Of(datum.Bool), true},
}

// sequenceNamed returns a sequence as a relation, which shows where it is.
func sequenceNamed(env *Env, namespace, name string) *Relation {
	for _, q := range env.Catalog.Sequences {
		if q.Name == name && env.namespaceName(q.Namespace) == namespace {
			return &Relation{Namespace: namespace, Name: name, OID: q.OID, Kind: 'S', Columns: sequenceColumns,
				fill: func(ctx context.Context, _ *Set, env *Env, w *writer) error {
					value, called, err := env.LastValue(ctx, q)
					if err != nil {
						return err
					}
					w.columns("last_value", "log_cnt", "is_called")
					w.add(value, 0, called)
					return nil
				}}
		}
	}
	return nil
}

func sequenceParameters(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("seqrelid", "seqtypid", "seqstart", "seqincrement", "seqmax", "seqmin", "seqcache", "seqcycle")
	for _, q := range env.sequences() {
		w.add(q.OID, q.Type, q.Start, q.Increment, q.Max, q.Min, q.Cache, q.Cycle)
	}
	return nil
}

func sequenceStates(ctx context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("schemaname", "sequencename", "sequenceowner", "data_type", "start_value", "min_value", "max_value",
		"increment_by", "cycle", "cache_size", "last_value")
	for _, q := range env.sequences() {
		value, called, err := env.LastValue(ctx, q)
		if err != nil {
			return err
		}
		var last any
		if called {
			last = value
		}
		w.add(env.namespaceName(q.Namespace), q.Name, q.Owner, q.Type, q.Start, q.Min, q.Max, q.Increment, q.Cycle, q.Cache, last)
	}
	return nil
}

// infoSequences are information_schema's, which leaves out those of identity columns.
func infoSequences(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("sequence_catalog", "sequence_schema", "sequence_name", "data_type", "numeric_precision", "numeric_precision_radix",
		"numeric_scale", "start_value", "minimum_value", "maximum_value", "increment", "cycle_option")
	for _, q := range env.sequences() {
		if q.OwnedBy.Identity {
			continue
		}
		d := describe(datum.Of(q.Type))
		w.add(env.database(), env.namespaceName(q.Namespace), q.Name, d.name, d.precision, d.radix, d.scale,
			decimal(q.Start), decimal(q.Min), decimal(q.Max), decimal(q.Increment), yesNo(q.Cycle))
	}
	return nil
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// identityOf is pg_attribute.attidentity.
func identityOf(c *schema.Column) string {
	switch c.Identity {
	case schema.IdentityAlways:
		return "a"
	case schema.IdentityByDefault:
		return "d"
	}
	return ""
}

// generatedOf is pg_attribute.attgenerated.
func generatedOf(c *schema.Column) string {
	if c.Generated != "" {
		return "s"
	}
	return ""
}

// identityFacts are what information_schema.columns says of an identity column, whose sequence is q.
func identityFacts(c *schema.Column, q *schema.Sequence) (generation, start, step, high, low any, cycle string) {
	if q == nil {
		return nil, nil, nil, nil, nil, "NO"
	}
	generation = "BY DEFAULT"
	if c.Identity == schema.IdentityAlways {
		generation = "ALWAYS"
	}
	return generation, decimal(q.Start), decimal(q.Increment), decimal(q.Max), decimal(q.Min), yesNo(q.Cycle)
}
