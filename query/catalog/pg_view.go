package catalog

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/setting"
)

var tableColumns = []string{"schemaname", "tablename", "tableowner", "hasindexes", "hasrules", "hastriggers", "rowsecurity"}

func systemTables(s *Set, w *writer) {
	w.columns(tableColumns...)
	for _, r := range s.relations {
		if r.Kind == 'r' {
			w.add(r.Namespace, r.Name, bootstrapName, false, false, false, false)
		}
	}
}

func tables(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns(tableColumns...)
	for _, t := range env.baseTables() {
		w.add(env.namespaceName(t.Namespace), t.Name, t.Owner, t.Keyed(), false, false, false)
	}
	return nil
}

func views(_ context.Context, s *Set, env *Env, w *writer) error {
	w.columns("schemaname", "viewname", "viewowner", "definition")
	for _, v := range env.views() {
		w.add(env.namespaceName(v.Namespace), v.Name, v.Owner, viewDefinition(v))
	}
	for _, r := range s.relations {
		if r.Kind == 'v' {
			w.add(r.Namespace, r.Name, bootstrapName, nil)
		}
	}
	return nil
}

func materializedViews(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("schemaname", "matviewname", "matviewowner", "tablespace", "hasindexes", "ispopulated", "definition")
	for _, t := range env.tables() {
		if v := t.AsView(); v != nil {
			w.add(env.namespaceName(t.Namespace), t.Name, t.Owner, nil, len(t.AllIndexes()) > 0, t.Materialized.Populated, viewDefinition(v))
		}
	}
	return nil
}

// viewDefinition is a view's query as PostgreSQL's views show it.
func viewDefinition(v *schema.View) string {
	return " " + strings.TrimSuffix(strings.TrimSpace(v.SQL), ";") + ";"
}

// settings are the rows of pg_settings.
func settings(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("name", "setting", "unit", "category", "short_desc", "context", "vartype", "source", "min_val", "max_val",
		"enumvals", "boot_val", "reset_val", "pending_restart")
	for _, d := range setting.All() {
		value, source := d.Default, "default"
		if env.Setting != nil {
			if v, ok := env.Setting(d.Name); ok {
				value = v
			}
		}
		if value != d.Default {
			source = "session"
		}
		var low, high any
		if d.Kind == setting.Integer || d.Kind == setting.Real {
			low, high = number(d.Min), number(d.Max)
		}
		w.add(d.Name, value, nullIfEmpty(d.Unit), d.Category, d.Desc, string(d.Scope), string(d.Kind), source, low, high,
			d.Enum, d.Default, d.Default, false)
	}
	return nil
}

// number writes a limit as PostgreSQL does: integers in full, others with six digits.
func number(f float64) string {
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) < exact {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

func preparedStatements(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("name", "statement", "prepare_time", "parameter_types", "from_sql", "generic_plans", "custom_plans")
	if env.Prepared == nil {
		return nil
	}
	for _, p := range env.Prepared() {
		types := append([]datum.OID{}, p.Types...)
		w.add(p.Name, p.Statement, p.Made, types, p.FromSQL, 0, p.Plans)
	}
	return nil
}

func cursors(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("name", "statement", "is_holdable", "is_binary", "is_scrollable", "creation_time")
	if env.Cursors == nil {
		return nil
	}
	for _, c := range env.Cursors() {
		w.add(c.Name, c.Statement, c.Hold, c.Binary, c.Scrollable, c.Made)
	}
	return nil
}

// zoneNames are the rows of pg_timezone_names: what each zone has now.
func zoneNames(ctx context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("name", "abbrev", "utc_offset", "is_dst")
	for _, name := range datum.ZoneNames() {
		if err := ctx.Err(); err != nil {
			return err
		}
		loc, _, ok := datum.LoadZone(name)
		if !ok {
			continue
		}
		at := env.Now.In(loc)
		abbrev, seconds := at.Zone()
		w.add(name, abbrev, datum.IntervalValue{Micros: int64(seconds) * 1e6}, at.IsDST())
	}
	return nil
}
