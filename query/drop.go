package query

import (
	"context"
	"sort"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// drop is DROP TABLE, VIEW and SCHEMA.
func (s *Session) drop(ctx context.Context, st *ast.Drop) error {
	for _, name := range st.Names {
		var err error
		switch st.Kind {
		case ast.TableObject, ast.ViewObject:
			err = s.dropRelation(ctx, st, name)
		case ast.SchemaObject:
			err = s.dropSchema(ctx, st, name)
		default:
			err = pgerr.Unsupported("DROP %s is not supported", st.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) dropRelation(ctx context.Context, st *ast.Drop, name ast.Name) error {
	r, err := s.findRelation(name)
	kind := strings.ToLower(string(st.Kind))
	if err != nil {
		full := name.Name
		if name.Schema != "" {
			full = name.Schema + "." + full
		}
		if st.IfExists {
			s.notify("%s %q does not exist, skipping", kind, full)
			return nil
		}
		return pgerr.New(pgerr.UndefinedTable, "%s %q does not exist", kind, full)
	}
	if (r.table != nil) != (st.Kind == ast.TableObject) {
		e := pgerr.New(pgerr.WrongObjectType, "%q is not a %s", name.Name, kind)
		if r.view != nil {
			return e.WithHint("Use DROP VIEW to remove a view.")
		}
		return e.WithHint("Use DROP TABLE to remove a table.")
	}
	return s.dropWithViews(ctx, r, st.Cascade)
}

// dropWithViews drops a relation; views over it go too with CASCADE and are an
// error without.
func (s *Session) dropWithViews(ctx context.Context, r relation, cascade bool) error {
	dependents, err := s.viewsOver(r)
	if err != nil {
		return err
	}
	name, kind := r.describe()
	if len(dependents) > 0 && !cascade {
		var lines []string
		for _, v := range dependents {
			lines = append(lines, "view "+v.Name+" depends on "+kind+" "+name)
		}
		return pgerr.New(pgerr.DependentObjects, "cannot drop %s %s because other objects depend on it", kind, name).
			WithDetail("%s", strings.Join(lines, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	var dropped []string
	if err := s.dropAll(ctx, r, &dropped); err != nil {
		return err
	}
	s.notifyDropped(dropped[:len(dropped)-1]) // without r itself, which comes last
	return nil
}

// dropAll drops the views over a relation, then the relation, and adds to dropped
// what it drops.
func (s *Session) dropAll(ctx context.Context, r relation, dropped *[]string) error {
	dependents, err := s.viewsOver(r)
	if err != nil {
		return err
	}
	for _, v := range dependents {
		if _, still := s.txn.Catalog().Views[v.OID]; !still {
			continue
		}
		if err := s.dropAll(ctx, relation{view: v}, dropped); err != nil {
			return err
		}
	}
	name, kind := r.describe()
	*dropped = append(*dropped, kind+" "+name)
	if r.table != nil {
		return s.txn.Apply(ctx, schema.Change{DropTable: r.table.OID})
	}
	return s.txn.Apply(ctx, schema.Change{DropView: r.view.OID})
}

// notifyDropped tells what CASCADE dropped as well, in one notice.
func (s *Session) notifyDropped(objects []string) {
	switch len(objects) {
	case 0:
	case 1:
		s.notify("drop cascades to %s", objects[0])
	default:
		n := pgerr.New("00000", "drop cascades to %d other objects", len(objects)).WithDetail("drop cascades to %s", strings.Join(objects, "\ndrop cascades to "))
		n.Severity = "NOTICE"
		s.notice(n)
	}
}

func (r relation) describe() (name, kind string) {
	if r.table != nil {
		return r.table.Name, "table"
	}
	return r.view.Name, "view"
}

// viewsOver returns the views whose queries read a relation, by OID.
func (s *Session) viewsOver(r relation) ([]*schema.View, error) {
	var out []*schema.View
	for _, v := range s.txn.Catalog().Views {
		stmt, err := parseOne(v.SQL)
		if err != nil {
			return nil, err
		}
		for _, name := range relationNames(stmt) {
			if found, err := s.findRelation(name); err == nil && found == r {
				out = append(out, v)
				break
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].OID < out[j].OID })
	return out, nil
}

// dropSchema is DROP SCHEMA.
func (s *Session) dropSchema(ctx context.Context, st *ast.Drop, name ast.Name) error {
	var ns *schema.Namespace
	for _, n := range s.txn.Catalog().Namespaces {
		if n.Name == name.Name {
			ns = n
		}
	}
	if ns == nil {
		if st.IfExists {
			s.notify("schema %q does not exist, skipping", name.Name)
			return nil
		}
		return pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name.Name)
	}
	if ns.OID < schema.FirstUserOID {
		return pgerr.New(pgerr.DependentObjects, "cannot drop schema %s because it is required by the database system", ns.Name)
	}
	var inside []relation
	for _, t := range s.txn.Catalog().Tables {
		if t.Namespace == ns.OID {
			inside = append(inside, relation{table: t})
		}
	}
	for _, v := range s.txn.Catalog().Views {
		if v.Namespace == ns.OID {
			inside = append(inside, relation{view: v})
		}
	}
	if len(inside) > 0 && !st.Cascade {
		return pgerr.New(pgerr.DependentObjects, "cannot drop schema %s because other objects depend on it", ns.Name).
			WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	var dropped []string
	for _, r := range inside {
		if r.view != nil {
			if _, still := s.txn.Catalog().Views[r.view.OID]; !still {
				continue
			}
		}
		if err := s.dropAll(ctx, r, &dropped); err != nil {
			return err
		}
	}
	s.notifyDropped(dropped)
	return s.txn.Apply(ctx, schema.Change{DropNamespace: ns.OID})
}
