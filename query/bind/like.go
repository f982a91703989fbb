package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// A LikeIndex is an index that LIKE ... INCLUDING INDEXES copies, to be named after the new table.
type LikeIndex struct {
	schema.Index
	Text string // of its columns, for the name
}

// like adds what LIKE copies of a relation: its columns and, as far as they are included, what
// comes with them.
func (d *tableDef) like(l *ast.TableLike) error {
	rel, err := d.b.relation(l.Source, l.Source.Position(), nil)
	if err != nil {
		return err
	}
	var t *schema.Table
	switch {
	case rel.sequence != nil:
		return pgerr.New(pgerr.WrongObjectType, "relation %q is invalid in LIKE clause", l.Source.Name).
			WithDetail("This operation is not supported for sequences.").At(l.Source.Position())
	case rel.table != nil:
		t = rel.table
	case rel.view != nil:
		t = &schema.Table{OID: rel.view.OID, Name: rel.view.Name}
		for _, c := range rel.view.Columns {
			t.Columns = append(t.Columns, schema.Column{ID: c.ID, Name: c.Name, Type: c.Type, Comment: c.Comment})
		}
	default:
		t = &schema.Table{OID: rel.virtual.OID, Name: rel.virtual.Name}
		for i, f := range rel.virtual.Columns {
			t.Columns = append(t.Columns, schema.Column{ID: schema.ColumnID(i + 1), Name: f.Name, Type: f.Type})
		}
	}
	for _, i := range liveColumns(t) {
		if err := d.likeColumn(l, t, &t.Columns[i]); err != nil {
			return err
		}
	}
	if l.Includes("constraints") {
		if err := d.likeChecks(l, t); err != nil {
			return err
		}
	}
	if l.Includes("indexes") {
		return d.likeIndexes(l, t)
	}
	return nil
}

func (d *tableDef) likeColumn(l *ast.TableLike, t *schema.Table, old *schema.Column) error {
	c := schema.Column{Name: old.Name, Type: old.Type, NotNull: old.NotNull}
	if l.Includes("comments") {
		c.Comment = old.Comment
	}
	if l.Includes("defaults") {
		c.Default = old.Default
	}
	if old.Generated != "" && l.Includes("generated") {
		e, err := d.b.parseExpr(old.Generated)
		if err != nil {
			return err
		}
		c.Generated = old.Generated
		d.generated = append(d.generated, &ast.Constraint{Kind: ast.GeneratedConstraint, Expr: e})
	}
	if seq := d.b.env.Catalog.SequenceOf(t.OID, old.ID); old.Identity != schema.NoIdentity && seq != nil && l.Includes("identity") {
		c.Identity = old.Identity
		def := &schema.Sequence{Type: seq.Type, Start: seq.Start, Increment: seq.Increment, Min: seq.Min, Max: seq.Max,
			Cache: seq.Cache, Cycle: seq.Cycle, Last: seq.Start, OwnedBy: schema.OwnerColumn{Identity: true}}
		d.sequences = append(d.sequences, &ColumnSequence{Column: c.Name, Def: def})
	}
	d.columns = append(d.columns, c)
	return nil
}

func (d *tableDef) likeChecks(l *ast.TableLike, t *schema.Table) error {
	for _, c := range t.Checks {
		e, err := d.b.parseExpr(c.Expr)
		if err != nil {
			return err
		}
		d.checks = append(d.checks, &ast.Constraint{Kind: ast.CheckConstraint, Name: c.Name, Expr: e})
		if l.Includes("comments") {
			d.checkComments = append(d.checkComments, schema.Check{Name: c.Name, Comment: c.Comment})
		}
	}
	return nil
}

// likeIndexes copies the primary key, UNIQUE constraints and other indexes.
func (d *tableDef) likeIndexes(l *ast.TableLike, t *schema.Table) error {
	if t.Keyed() {
		if d.hasKey {
			return pgerr.New(pgerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", d.name.Name)
		}
		d.hasKey = true
		for _, id := range t.PrimaryKey {
			d.key = append(d.key, t.Column(id).Name)
		}
	}
	for _, x := range t.Indexes {
		if x.Constraint != 0 {
			k := &ast.Constraint{Kind: ast.UniqueConstraint, NullsNotDistinct: x.NullsNotDistinct}
			for _, id := range x.Columns() {
				k.Columns = append(k.Columns, t.Column(id).Name)
			}
			for _, id := range x.Include {
				k.Include = append(k.Include, t.Column(id).Name)
			}
			d.declared = append(d.declared, k)
			continue
		}
		d.likes = append(d.likes, likedIndex{x, t, l.Includes("comments")})
	}
	return nil
}

// A likedIndex is an index of another table.
type likedIndex struct {
	schema.Index
	of       *schema.Table
	comments bool
}

// over is the index as one of the new table.
func (x *likedIndex) over(t *schema.Table) LikeIndex {
	out := LikeIndex{Index: x.Index}
	column := func(id schema.ColumnID) schema.ColumnID {
		if id == 0 {
			return 0
		}
		return columnNamed(t, x.of.Column(id).Name).ID
	}
	out.Keys, out.Include = slices.Clone(x.Keys), slices.Clone(x.Include)
	for i := range out.Keys {
		name := "expr"
		if id := column(out.Keys[i].Column); id != 0 {
			out.Keys[i].Column, name = id, t.Column(id).Name
		}
		if i > 0 {
			out.Text += "_"
		}
		out.Text += name
	}
	for i := range out.Include {
		out.Include[i] = column(out.Include[i])
	}
	if !x.comments {
		out.Comment = ""
	}
	return out
}
