package query

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// restarted gives a sequence another log, in which it begins anew. So a restart takes part in
// its transaction, as PostgreSQL's does by a new file. Logs of a transaction that is rolled
// back may have entries: no other may ever have their names.
func restarted(s *schema.Sequence) {
	key := s.Key()
	if key == "" {
		key = randomName()
	}
	s.Storage = key + "/" + randomName()
}

func randomName() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// createSequence is CREATE SEQUENCE.
func (s *Session) createSequence(ctx context.Context, st *ast.CreateSequence) error {
	exists, ns, err := s.checkNew(ctx, st.Name, st.Persistence, st.IfNotExists)
	if err != nil || exists {
		return err
	}
	def := &schema.Sequence{Name: st.Name.Name, Namespace: ns.OID}
	ch, err := bind.SequenceDef(s.bindEnv(ctx, nil, true), def, st.Options)
	if err != nil {
		return err
	}
	if ch.Name != nil {
		return pgerr.New(pgerr.SyntaxError, "invalid sequence option SEQUENCE NAME")
	}
	if err := s.ensureRole(ctx); err != nil {
		return err
	}
	def.Owner = s.opt.User
	if err := s.ownSequence(def, ch); err != nil {
		return err
	}
	return s.putSequence(ctx, def)
}

// putSequence stores a new sequence.
func (s *Session) putSequence(ctx context.Context, def *schema.Sequence) (err error) {
	if def.OID, err = s.takeOIDs(ctx, 1); err != nil {
		return err
	}
	restarted(def)
	return s.txn.Apply(ctx, schema.Change{PutSequence: def})
}

// ownSequence is OWNED BY.
func (s *Session) ownSequence(def *schema.Sequence, ch *bind.SequenceChange) error {
	switch {
	case ch.Owner == nil:
		return nil
	case def.OwnedBy.Identity:
		return pgerr.Unsupported("cannot change ownership of identity sequence").
			WithDetail("Sequence \"%s\" is linked to table \"%s\".", def.Name, s.txn.Catalog().Tables[def.OwnedBy.Table].Name)
	case ch.None:
		def.OwnedBy = schema.OwnerColumn{}
		return nil
	case len(ch.Owner) == 1:
		return pgerr.New(pgerr.SyntaxError, "invalid OWNED BY option").WithHint("Specify OWNED BY table.column or OWNED BY NONE.")
	}
	n := len(ch.Owner)
	name := ast.Name{Name: ch.Owner[n-2]}
	if n > 2 {
		name.Schema = ch.Owner[n-3]
	}
	r, err := s.findRelation(name)
	switch {
	case err != nil:
		return err
	case r.table == nil:
		return pgerr.New(pgerr.WrongObjectType, "sequence cannot be owned by relation %q", name.Name).WithDetail("This operation is not supported for %ss.", r.kind().Lower())
	case r.table.Owner != def.Owner:
		return pgerr.New(pgerr.ObjectNotInState, "sequence must have same owner as table it is linked to")
	case r.table.Namespace != def.Namespace:
		return pgerr.New(pgerr.ObjectNotInState, "sequence must be in same schema as table it is linked to")
	}
	for _, c := range r.table.Live() {
		if c.Name == ch.Owner[n-1] {
			def.OwnedBy = schema.OwnerColumn{Table: r.table.OID, Column: c.ID}
			return nil
		}
	}
	return pgerr.New(pgerr.UndefinedColumn, "column %q of relation %q does not exist", ch.Owner[n-1], r.table.Name)
}

// columnSequences stores the sequences that come with the columns of a table, and makes
// them the defaults of those of a serial type. The table has its OID, and is stored next.
func (s *Session) columnSequences(ctx context.Context, t *schema.Table, list []*bind.ColumnSequence) error {
	for _, cs := range list {
		i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Name == cs.Column && c.Type.OID != 0 })
		c := &t.Columns[i]
		def := cs.Def
		def.Namespace, def.Owner = t.Namespace, t.Owner
		def.OwnedBy.Table, def.OwnedBy.Column = t.OID, c.ID
		switch n := len(cs.Name); {
		case n > 1:
			ns, err := s.targetNamespace(ast.Name{Schema: cs.Name[n-2], Name: cs.Name[n-1]})
			if err != nil {
				return err
			}
			if ns.OID != t.Namespace {
				return pgerr.New(pgerr.ObjectNotInState, "sequence must be in same schema as table it is linked to")
			}
			fallthrough
		case n == 1:
			def.Name = cs.Name[n-1]
		default:
			def.Name = s.freeName(t, c.Name, "seq")
		}
		if err := s.putSequence(ctx, def); err != nil {
			return err
		}
		if cs.Serial {
			c.Default = bind.NextValue(def.OID)
		}
	}
	return nil
}

// freeName makes a name for a relation that goes with a table, which may be a new one.
func (s *Session) freeName(t *schema.Table, column, label string) string {
	for i := 0; ; i++ {
		word := label
		if i > 0 {
			word += strconv.Itoa(i)
		}
		name := bind.ObjectName(t.Name, column, word)
		if name != t.Name && name != t.PrimaryKeyName && t.Index(name) == nil && s.txn.Catalog().RelationNamed(t.Namespace, name) == 0 {
			return name
		}
	}
}

// alterSequence is ALTER SEQUENCE.
func (s *Session) alterSequence(ctx context.Context, st *ast.AlterTable) error {
	r, err := s.findRelation(st.Table.Name)
	if err != nil {
		if st.IfExists {
			s.notify("relation %q does not exist, skipping", st.Table.Name.Name)
			return nil
		}
		return err
	}
	if r.sequence == nil {
		return pgerr.New(pgerr.WrongObjectType, "%q is not a sequence", st.Table.Name.Name)
	}
	def := *r.sequence
	for i := range st.Actions {
		x := &st.Actions[i]
		switch x.Kind {
		case ast.SequenceOptions:
			err = s.changeSequence(ctx, &def, x.Options)
		case ast.RenameTable:
			def.Name = x.NewName
		case ast.SetSchema:
			err = s.moveSequence(&def, x.NewName)
		case ast.OwnerTo:
			if def.OwnedBy.Table != 0 {
				err = s.ownedRefuses(&def, "owner")
			} else {
				def.Owner, err = s.ownerNamed(x.NewName)
			}
		default:
			err = pgerr.Unsupported("ALTER SEQUENCE ... %s is not supported", x.Text).At(x.Position())
		}
		if err != nil {
			return err
		}
	}
	return s.txn.Apply(ctx, schema.Change{PutSequence: &def})
}

// changeSequence applies options to a definition. Values that were handed out are not
// handed out again unless the sequence is restarted.
func (s *Session) changeSequence(ctx context.Context, def *schema.Sequence, options []ast.Option) error {
	ch, err := bind.SequenceDef(s.bindEnv(ctx, nil, true), def, options)
	if err != nil {
		return err
	}
	if ch.Name != nil {
		return pgerr.New(pgerr.SyntaxError, "invalid sequence option SEQUENCE NAME")
	}
	if ch.Restart {
		restarted(def)
	} else {
		last, _, err := s.engine.opt.Storage.LastValue(ctx, def)
		if err == nil {
			err = bind.CheckLast(def, last)
		}
		if err != nil {
			return err
		}
	}
	return s.ownSequence(def, ch)
}

func (s *Session) moveSequence(def *schema.Sequence, name string) error {
	if def.OwnedBy.Table != 0 {
		return s.ownedRefuses(def, "schema")
	}
	return s.moveTo(&def.Namespace, ast.Name{Schema: name, Name: def.Name})
}

// ownedRefuses is the error for changing what a sequence has from its table.
func (s *Session) ownedRefuses(def *schema.Sequence, what string) error {
	e := pgerr.Unsupported("cannot move an owned sequence into another schema")
	if what == "owner" {
		e = pgerr.Unsupported("cannot change owner of sequence \"%s\"", def.Name)
	}
	return e.WithDetail("Sequence \"%s\" is linked to table \"%s\".", def.Name, s.txn.Catalog().Tables[def.OwnedBy.Table].Name)
}

// ownedSequences are the sequences that go with a table, or with one of its columns if
// that is not 0, by OID.
func (s *Session) ownedSequences(table datum.OID, column schema.ColumnID) []*schema.Sequence {
	var out []*schema.Sequence
	for _, q := range s.txn.Catalog().Sequences {
		if q.OwnedBy.Table == table && (column == 0 || q.OwnedBy.Column == column) {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b *schema.Sequence) int { return int(a.OID) - int(b.OID) })
	return out
}

// restartSequences is RESTART IDENTITY: those of a table begin again.
func (s *Session) restartSequences(ctx context.Context, table datum.OID) error {
	for _, q := range s.ownedSequences(table, 0) {
		def := *q
		restarted(&def)
		def.Last, def.Called = def.Start, false
		if err := s.txn.Apply(ctx, schema.Change{PutSequence: &def}); err != nil {
			return err
		}
	}
	return nil
}
