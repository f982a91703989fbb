package query

import (
	"context"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/function"
)

// createType is CREATE TYPE.
func (s *Session) createType(ctx context.Context, st *ast.CreateType) error {
	switch st.Kind {
	case ast.RangeType:
		return pgerr.Unsupported("range types are not supported").WithHint("Use two columns: where the range begins and where it ends.")
	case ast.BaseType, ast.ShellType:
		return pgerr.Unsupported("base types and shell types are not supported").
			WithHint("Use CREATE TYPE ... AS ENUM, CREATE TYPE ... AS (...) or CREATE DOMAIN.")
	}
	def, err := s.newType(ctx, st.Name)
	if err != nil {
		return err
	}
	if st.Kind == ast.CompositeType {
		return s.createComposite(ctx, def, st)
	}
	labels, err := bind.EnumLabels(st.Labels)
	if err != nil {
		return err
	}
	first, err := s.takeOIDs(ctx, 1+len(labels))
	if err != nil {
		return err
	}
	for i := range labels {
		labels[i].OID = first + 1 + datum.OID(i)
	}
	def.Labels = labels
	return s.putType(ctx, def, datum.EnumClass, first)
}

// newType begins the definition of a type of a new name.
func (s *Session) newType(ctx context.Context, name ast.Name) (*schema.Type, error) {
	ns, err := s.creationNamespace(ctx, ast.Name{Catalog: name.Catalog, Schema: name.Schema, Name: name.Name}, ast.Permanent)
	if err != nil {
		return nil, err
	}
	if s.txn.Catalog().TypeNamed(ns.OID, name.Name) != 0 {
		return nil, pgerr.New(pgerr.DuplicateObject, "type %q already exists", name.Name)
	}
	if err := s.ensureRole(ctx); err != nil {
		return nil, err
	}
	return &schema.Type{Namespace: ns.OID, Name: name.Name, Owner: s.opt.User}, nil
}

// rowTypeFree refuses a table or view whose rows would be of a type of the name of another.
func (s *Session) rowTypeFree(namespace datum.OID, name string) error {
	if s.txn.Catalog().TypeNamed(namespace, name) == 0 {
		return nil
	}
	return pgerr.New(pgerr.DuplicateObject, "type %q already exists", name).
		WithHint("A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.")
}

// putType stores a new type, which an object's number is for.
func (s *Session) putType(ctx context.Context, def *schema.Type, class datum.Class, object datum.OID) error {
	if object > datum.MaxTypeObject {
		return pgerr.New(pgerr.ProgramLimitExceeded, "the database has had more than %d objects: no type can be made any more", datum.MaxTypeObject)
	}
	def.OID = datum.UserType(class, object)
	return s.txn.Apply(ctx, schema.Change{PutType: def})
}

// typeNamed finds a type that a statement names; nil with no error if it is not a user's.
func (s *Session) typeNamed(ctx context.Context, name ast.Name) (*schema.Type, datum.OID, error) {
	oid, err := bind.NamedType(s.bindEnv(ctx, nil, true), name)
	return s.txn.Catalog().Types[oid], oid, err
}

// typeText is a type's name for messages.
func (s *Session) typeText(t datum.Type) string {
	return function.TypeText(s.functionContext(context.Background(), memory.DefaultAllocator), t)
}

// alterType is ALTER TYPE and ALTER DOMAIN.
func (s *Session) alterType(ctx context.Context, st *ast.AlterType) error {
	old, oid, err := s.typeNamed(ctx, st.Name)
	if err != nil {
		return err
	}
	if old == nil {
		return s.notAlterable(st, oid)
	}
	if st.Kind == ast.DomainObject && old.OID.Class() != datum.DomainClass {
		return pgerr.New(pgerr.WrongObjectType, "%s is not a domain", s.typeText(datum.Of(oid)))
	}
	def := *old
	var rule *schema.Type
	for i := range st.Actions {
		if st.Kind == ast.DomainObject {
			rule, err = s.domainAction(ctx, &def, &st.Actions[i])
		} else {
			err = s.typeAction(ctx, &def, &st.Actions[i])
		}
		if err != nil {
			return unplaced(err)
		}
	}
	if err := s.txn.Apply(ctx, schema.Change{PutType: &def}); err != nil {
		return err
	}
	if rule != nil {
		return s.checkDomainRows(ctx, &def, rule)
	}
	if old.Name != def.Name || old.Namespace != def.Namespace || !slices.Equal(old.Attributes, def.Attributes) ||
		!slices.EqualFunc(old.Labels, def.Labels, sameLabel) && len(old.Labels) == len(def.Labels) {
		return s.checkTypeUsers(ctx, "alter type "+old.Name)
	}
	return nil
}

func sameLabel(a, b schema.Label) bool { return a.Name == b.Name }

// notAlterable is the error for ALTER of a type that no user has defined.
func (s *Session) notAlterable(st *ast.AlterType, oid datum.OID) error {
	text := s.typeText(datum.Of(oid))
	if oid.Class() == datum.CompositeClass {
		return pgerr.New(pgerr.WrongObjectType, "%s is a table's row type", text).WithHint("Use ALTER TABLE instead.")
	}
	if st.Kind == ast.DomainObject {
		return pgerr.New(pgerr.WrongObjectType, "%s is not a domain", text)
	}
	if k := st.Actions[0].Kind; k == ast.AddLabel || k == ast.RenameLabel {
		return notEnum(text)
	}
	return pgerr.New(pgerr.InsufficientPrivilege, "must be owner of type %s", text)
}

func notEnum(text string) error {
	return pgerr.New(pgerr.WrongObjectType, "%s is not an enum", text)
}

// typeAction does one action of ALTER TYPE.
func (s *Session) typeAction(ctx context.Context, def *schema.Type, x *ast.AlterAction) (err error) {
	switch x.Kind {
	case ast.AddLabel, ast.RenameLabel:
		if def.OID.Class() != datum.EnumClass {
			return notEnum(s.typeText(datum.Of(def.OID)))
		}
		if x.Kind == ast.RenameLabel {
			return bind.RenameLabel(def, x)
		}
		return s.addLabel(ctx, def, x)
	case ast.AddColumn, ast.DropColumn, ast.AlterColumnType, ast.RenameColumn:
		return s.attributeAction(ctx, def, x)
	case ast.RenameTable:
		if s.txn.Catalog().TypeNamed(def.Namespace, x.NewName) != 0 {
			return pgerr.New(pgerr.DuplicateObject, "type %q already exists", x.NewName)
		}
		def.Name = x.NewName
		return nil
	case ast.SetSchema:
		old := def.Namespace
		if err := s.moveTo(&def.Namespace, ast.Name{Schema: x.NewName, Name: def.Name}); err != nil {
			return err
		}
		if old != def.Namespace && s.txn.Catalog().TypeNamed(def.Namespace, def.Name) != 0 {
			return pgerr.New(pgerr.DuplicateObject, "type %q already exists in schema %q", def.Name, x.NewName)
		}
		return nil
	case ast.OwnerTo:
		def.Owner, err = s.ownerNamed(x.NewName)
		return err
	}
	return pgerr.Unsupported("ALTER TYPE ... %s is not supported", x.Text).At(x.Position())
}

// addLabel is ADD VALUE. Until the transaction ends the value cannot be used: rows that
// another transaction has stored meanwhile, after a rollback of this one, could have another
// label at its place.
func (s *Session) addLabel(ctx context.Context, def *schema.Type, x *ast.AlterAction) error {
	if err := bind.CheckLabel(x.NewName); err != nil {
		return err
	}
	if def.Label(x.NewName) != nil {
		if x.IfNotExists {
			n := pgerr.New(pgerr.DuplicateObject, "enum label %q already exists, skipping", x.NewName)
			n.Severity = "NOTICE"
			s.notice(n)
			return nil
		}
		return pgerr.New(pgerr.DuplicateObject, "enum label %q already exists", x.NewName)
	}
	i, err := bind.LabelIndex(def, x)
	if err != nil {
		return err
	}
	oid, err := s.takeOIDs(ctx, 1)
	if err != nil {
		return err
	}
	if def.Labels, err = schema.WithLabel(def.Labels, i, schema.Label{OID: oid, Name: x.NewName}); err != nil {
		return err
	}
	if s.newLabels == nil {
		s.newLabels = map[datum.OID]bool{}
	}
	s.newLabels[oid] = true
	return nil
}

// checkTypeUsers checks that what is kept as SQL can still be bound after the names of a
// type or of its labels have changed.
func (s *Session) checkTypeUsers(ctx context.Context, done string) error {
	for _, t := range s.userTypes() {
		if err := bind.RecheckDomain(s.bindEnv(ctx, nil, true), t); err != nil {
			return pgerr.Unsupported("cannot %s because domain %q uses it", done, t.Name).WithDetail("%v", err)
		}
	}
	for _, t := range s.tables() {
		if err := bind.RecheckTable(s.bindEnv(ctx, nil, true), t); err != nil {
			return pgerr.Unsupported("cannot %s because an expression of table %q uses it", done, t.Name).WithDetail("%v", err).
				WithHint("Drop the default or constraint, %s, and make it again.", done)
		}
	}
	return s.sameViews(ctx, done, slices.Collect(maps.Values(s.txn.Catalog().Views)), false)
}

// commentType is COMMENT ON TYPE and DOMAIN.
func (s *Session) commentType(ctx context.Context, st *ast.Comment, text string) error {
	t, oid, err := s.typeNamed(ctx, st.Name)
	switch {
	case err != nil:
		return withoutPosition(err)
	case st.Kind == ast.DomainObject && oid.Class() != datum.DomainClass:
		return pgerr.New(pgerr.WrongObjectType, "%q is not a domain", st.Name.Name)
	case t == nil:
		return pgerr.Unsupported("comments on type %s are not supported", s.typeText(datum.Of(oid)))
	}
	def := *t
	def.Comment = text
	return s.txn.Apply(ctx, schema.Change{PutType: &def})
}
