package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/catalog"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/optimize"
	"github.com/phyllodb/phyllo/query/parse"
	"github.com/phyllodb/phyllo/query/plan"
)

// A session runs statements that read no tables: what lies between the parser
// and the executor, without an engine.
type session struct {
	t       *testing.T
	env     datum.Env
	catalog *schema.Catalog
	random  function.Random
}

func newSession(t *testing.T) *session {
	return &session{t: t, env: datum.Env{ExtraFloatDigits: 1, Zone: time.UTC, ZoneName: "UTC"}, catalog: &schema.Catalog{
		Database: "postgres", DatabaseOID: 16000,
		Namespaces: map[datum.OID]*schema.Namespace{
			schema.PGCatalogOID:   {OID: schema.PGCatalogOID, Name: "pg_catalog"},
			schema.InformationOID: {OID: schema.InformationOID, Name: "information_schema"},
			schema.PublicOID:      {OID: schema.PublicOID, Name: "public"},
		},
		Tables: map[datum.OID]*schema.Table{}, Views: map[datum.OID]*schema.View{}, Roles: map[string]*schema.Role{},
	}}
}

// set applies statements of the form "set name = 'value';".
func (s *session) set(t *testing.T, statements string) {
	t.Helper()
	for st := range strings.SplitSeq(strings.TrimSuffix(statements, ";"), ";") {
		name, value, ok := strings.Cut(strings.TrimPrefix(st, "set "), " = ")
		value = strings.Trim(value, "'")
		switch {
		case !ok:
			t.Fatalf("%q: not understood", st)
		case name == "timezone":
			if s.env.Zone, s.env.ZoneName, ok = datum.LoadZone(value); !ok {
				t.Fatalf("%q: no such zone", st)
			}
		case name == "intervalstyle":
			s.env.IntervalStyle = map[string]datum.IntervalFormat{"postgres": datum.PostgresIntervals,
				"postgres_verbose": datum.PostgresVerbose, "sql_standard": datum.SQLStandard, "iso_8601": datum.ISO8601}[value]
		case name == "datestyle":
			style, order, _ := strings.Cut(value, ", ")
			s.env.DateFormat = map[string]datum.DateFormat{"ISO": datum.ISO, "SQL": datum.SQLDates,
				"Postgres": datum.PostgresDates, "German": datum.German}[style]
			s.env.DateOrder = map[string]datum.DateOrder{"MDY": datum.MDY, "DMY": datum.DMY, "YMD": datum.YMD}[order]
		default:
			t.Fatalf("%q: setting not known", st)
		}
	}
}

// ask runs a statement as bound and optimised; the answers must be equal.
func (s *session) ask(sql string) answer {
	plain := s.run(sql, false)
	optimised := s.run(sql, true)
	if plain.String() != optimised.String() {
		s.t.Errorf("%s\n as bound   %v\n optimised  %v", sql, plain, optimised)
	}
	return plain
}

func (s *session) run(sql string, optimised bool) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{fmt.Sprint("PANIC ", p)}
			if testing.Verbose() {
				panic(p)
			}
		}
	}()
	a, err := s.rows(sql, optimised)
	if err == nil {
		return a
	}
	var pe *pgerr.Error
	if !errors.As(err, &pe) {
		return answer{"ERROR without a code: " + err.Error()}
	}
	return errorAnswer(pe.Code, pe.Message, pe.Detail, pe.Hint)
}

func (s *session) rows(sql string, optimised bool) (answer, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	env := s.env
	env.Now = time.Now()
	env.StatementNow = env.Now
	system := catalog.New(nil)
	b := &bind.Env{Catalog: s.catalog, Virtual: virtual{system}, SearchPath: []string{"public"}, Session: &env, User: "postgres", Context: context.Background()}
	st, err := bind.Statement(b, stmts[0].Node)
	if err != nil {
		return nil, err
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(s.t, 0)
	c := &function.Context{Context: context.Background(), Mem: mem, Env: &env, Catalog: s.catalog, Session: s, System: system}
	root := st.(*plan.Query).Root
	if optimised {
		o := &optimize.Context{Eval: &expr.Context{Context: c}}
		if root, err = optimize.Optimize(o, root); err != nil {
			return nil, err
		}
	}
	return s.collect(&exec.Runtime{Function: c}, root)
}

func (s *session) collect(rt *exec.Runtime, root plan.Node) (answer, error) {
	fields := root.Fields()
	var types []string
	for _, f := range fields {
		types = append(types, fmt.Sprintf("%s %d:%d", f.Name, f.Type.OID, f.Type.Mod))
	}
	out := answer{strings.Join(types, ", ")}
	err := exec.Run(context.Background(), rt, root, func(b arrow.RecordBatch) error {
		for i := range int(b.NumRows()) {
			var cells []string
			for j, f := range fields {
				a := b.Column(j)
				switch {
				case f.Type.OID == datum.Void:
					cells = append(cells, `""`) // such functions return no NULL
					continue
				case a.IsNull(i) || a.DataType().ID() == arrow.NULL:
					cells = append(cells, "NULL")
					continue
				}
				cells = append(cells, fmt.Sprintf("%q", function.AppendText(nil, rt.Function, f.Type, a, i)))
			}
			out = append(out, strings.Join(cells, " | "))
		}
		return nil
	})
	return out, err
}

// virtual shows the catalogue's relations to the binder.
type virtual struct{ set *catalog.Set }

func (v virtual) Relation(namespace, name string) *bind.VirtualRelation {
	r, ok := v.set.Lookup(namespace, name)
	if !ok {
		return nil
	}
	return &bind.VirtualRelation{OID: r.OID, Namespace: r.Namespace, Name: r.Name, Columns: r.Fields()}
}

// The session as functions see it.

func (s *session) User() string      { return "postgres" }
func (s *session) Database() string  { return "postgres" }
func (s *session) BackendPID() int32 { return 4711 }
func (s *session) Setting(name string) (string, bool) {
	v, ok := map[string]string{"timezone": s.env.ZoneName, "search_path": `"$user", public`,
		"server_version": "15.18", "server_version_num": "150018", "max_index_keys": "32"}[strings.ToLower(name)]
	return v, ok
}
func (s *session) SetSetting(name, _ string, _ bool) error {
	return pgerr.New(pgerr.CantChangeParam, "parameter %q cannot be changed", name)
}
func (s *session) SearchPath(implicit bool) []string {
	if implicit {
		return []string{"pg_catalog", "public"}
	}
	return []string{"public"}
}
func (s *session) Cancel(int32, bool) bool                         { return false }
func (s *session) TransactionStart() time.Time                     { return s.env.Now }
func (s *session) Position() int64                                 { return 0 }
func (s *session) PauseCompaction(bool) bool                       { return false }
func (s *session) TableSize(datum.OID) int64                       { return 0 }
func (s *session) ExprText(sql string, _ datum.OID, _ bool) string { return sql }
func (s *session) WritableColumns(*schema.View) []bool             { return nil }
func (s *session) Sequences() function.Sequences                   { return nil }
func (s *session) Locks() function.Locks                           { return nil }
func (s *session) Channels() function.Channels                     { return nil }
func (s *session) Random() *function.Random                        { return &s.random }
