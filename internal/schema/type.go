package schema

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Type is a type that a user has defined. Its OID says of what class it is
// (datum.OID.Class), and with that which of the fields count.
type Type struct {
	OID       datum.OID
	Namespace datum.OID
	Name      string
	Owner     string

	Labels []Label `json:",omitempty"` // of an enum, in its order

	Attributes []datum.Attribute `json:",omitempty"` // of a composite type

	// Of a domain: the type that it is over, which may be of a domain itself.
	Base    datum.Type
	NotNull bool    `json:",omitempty"`
	Default string  `json:",omitempty"` // SQL, empty for none
	Checks  []Check `json:",omitempty"` // SQL over a column called value

	Version uint64 // as Table.Version
	Comment string `json:",omitempty"`
}

// A Label is a value of an enum.
type Label struct {
	OID   datum.OID
	Name  string
	Place datum.Label // what is stored; it never changes
	// SortOrder is pg_enum's, which says the same for people.
	SortOrder float32
}

// Label returns the label of a name, or nil.
func (t *Type) Label(name string) *Label {
	for i := range t.Labels {
		if t.Labels[i].Name == name {
			return &t.Labels[i]
		}
	}
	return nil
}

// LabelAt returns the label at a place, or nil.
func (t *Type) LabelAt(place datum.Label) *Label {
	i, found := slices.BinarySearchFunc(t.Labels, place, func(l Label, p datum.Label) int { return cmp.Compare(l.Place, p) })
	if !found {
		return nil
	}
	return &t.Labels[i]
}

// Domain is the type of values of a domain.
func (t *Type) Domain() datum.Type {
	return datum.Type{OID: t.Base.OID, Mod: t.Base.Mod, Domain: t.OID}
}

// Check returns the constraint of a name, or nil.
func (t *Type) Check(name string) *Check {
	for i := range t.Checks {
		if t.Checks[i].Name == name {
			return &t.Checks[i]
		}
	}
	return nil
}

// FreeCheck makes a name for a constraint of a domain.
func (t *Type) FreeCheck(name func(word string) string) string {
	for i := 0; ; i++ {
		word := "check"
		if i > 0 {
			word += strconv.Itoa(i)
		}
		if n := name(word); t.Check(n) == nil {
			return n
		}
	}
}

// ArrayOID is the type of the arrays of a type.
func (t *Type) ArrayOID() datum.OID { return arrayOID(t.OID) }

// RowType and ArrayType are the types of a table's rows and of arrays of them.
func (t *Table) RowType() datum.OID   { return datum.UserType(datum.CompositeClass, t.OID) }
func (t *Table) ArrayType() datum.OID { return arrayOID(t.RowType()) }

// RowType and ArrayType are the types of a view's rows and of arrays of them.
func (v *View) RowType() datum.OID   { return datum.UserType(datum.CompositeClass, v.OID) }
func (v *View) ArrayType() datum.OID { return arrayOID(v.RowType()) }

func arrayOID(oid datum.OID) datum.OID {
	t, _ := datum.ArrayOf(datum.Of(oid))
	return t.OID
}

// UsesType says whether values are declared to be of a user's type, or arrays of it.
func UsesType(v datum.Type, t datum.OID) bool {
	oid := v.Declared()
	return oid == t || oid == arrayOID(t)
}

// TypeNamed returns the OID of the type of a name in a namespace, 0 if there is none:
// relations are types too.
func (c *Catalog) TypeNamed(namespace datum.OID, name string) datum.OID {
	for oid, t := range c.Types {
		if t.Namespace == namespace && t.Name == name {
			return oid
		}
	}
	for _, t := range c.Tables {
		if t.Namespace == namespace && t.Name == name {
			return t.RowType()
		}
	}
	for _, v := range c.Views {
		if v.Namespace == namespace && v.Name == name {
			return v.RowType()
		}
	}
	return 0
}

// FindType returns where a user's type is and what it is called, of an array what its
// elements are; ok is false if there is no such type.
func (c *Catalog) FindType(oid datum.OID) (namespace datum.OID, name string, ok bool) {
	if oid.IsUserArray() {
		elem, _ := datum.Of(oid).Elem()
		oid = elem.OID
	}
	if t := c.Types[oid]; t != nil {
		return t.Namespace, t.Name, true
	}
	if oid.Class() != datum.CompositeClass {
		return 0, "", false
	}
	if t := c.Tables[oid.Object()]; t != nil {
		return t.Namespace, t.Name, true
	}
	if v := c.Views[oid.Object()]; v != nil {
		return v.Namespace, v.Name, true
	}
	return 0, "", false
}

// A Catalog is datum.UserTypes: the types as they are defined, by their own names.
var _ datum.UserTypes = (*Catalog)(nil)

// TypeName is a type's own name.
func (c *Catalog) TypeName(oid datum.OID) string {
	_, name, ok := c.FindType(oid)
	switch {
	case !ok:
		return "???"
	case oid.IsUserArray():
		return name + "[]"
	}
	return name
}

// LabelName is what a label of an enum is called; ok is false if there is none.
func (c *Catalog) LabelName(enum datum.OID, v datum.Label) (name string, ok bool) {
	if t := c.Types[enum]; t != nil {
		if l := t.LabelAt(v); l != nil {
			return l.Name, true
		}
	}
	return "", false
}

// Label is the inverse, 22P02 if there is none of that name.
func (c *Catalog) Label(enum datum.OID, name string) (datum.Label, error) {
	t := c.Types[enum]
	if t == nil {
		return 0, noType(enum)
	}
	l := t.Label(name)
	if l == nil {
		return 0, pgerr.New(pgerr.InvalidText, "invalid input value for enum %s: \"%s\"", t.Name, name)
	}
	return l.Place, nil
}

// Labels are those of an enum, in its order.
func (c *Catalog) Labels(enum datum.OID) ([]datum.Label, error) {
	t := c.Types[enum]
	if t == nil {
		return nil, noType(enum)
	}
	out := make([]datum.Label, len(t.Labels))
	for i := range t.Labels {
		out[i] = t.Labels[i].Place
	}
	return out, nil
}

// Attributes are the fields of a composite type, which may be that of the rows of a relation.
func (c *Catalog) Attributes(oid datum.OID) ([]datum.Attribute, error) {
	if t := c.Types[oid]; t != nil {
		return t.Attributes, nil
	}
	if oid.Class() == datum.CompositeClass {
		if t := c.Tables[oid.Object()]; t != nil {
			return attributesOf(t.Columns), nil
		}
		if v := c.Views[oid.Object()]; v != nil {
			return attributesOf(v.Columns), nil
		}
	}
	return nil, noType(oid)
}

func attributesOf(columns []Column) (out []datum.Attribute) {
	for _, c := range columns {
		if c.Type.OID != 0 {
			out = append(out, datum.Attribute{Name: c.Name, Type: c.Type})
		}
	}
	return out
}

// Usable is nil: what is in the catalogue has been committed, for all that it knows.
func (c *Catalog) Usable(datum.OID, datum.Label) error { return nil }

func noType(oid datum.OID) error {
	return pgerr.New(pgerr.UndefinedObject, "type with OID %d does not exist", oid)
}

// labelGap is how far apart labels lie that are declared one after another: between two of
// them there is room for one more, and beside that for another, 40 times.
const labelGap = 1 << 40

// WithLabel returns labels with another one before the i-th. An error says that no number is
// left for its place.
func WithLabel(labels []Label, i int, l Label) ([]Label, error) {
	n := len(labels)
	switch {
	case n == 0:
		l.Place, l.SortOrder = labelGap, 1
	case i == n:
		l.Place, l.SortOrder = labels[n-1].Place+labelGap, labels[n-1].SortOrder+1
	case i == 0:
		l.Place, l.SortOrder = labels[0].Place-labelGap, labels[0].SortOrder-1
	default:
		a, b := labels[i-1], labels[i]
		l.Place, l.SortOrder = a.Place+(b.Place-a.Place)/2, (a.SortOrder+b.SortOrder)/2
	}
	if i > 0 && l.Place <= labels[i-1].Place || i < n && l.Place >= labels[i].Place {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "no more values can be added at this place of the enum").
			WithHint("Add the value at its end, or make another type.")
	}
	out := slices.Insert(slices.Clone(labels), i, l)
	if i > 0 && l.SortOrder == out[i-1].SortOrder || i < n && l.SortOrder == out[i+1].SortOrder {
		for j := range out { // as PostgreSQL numbers them anew
			out[j].SortOrder = float32(j + 1)
		}
	}
	return out, nil
}

// UsesTypes says whether a table has columns of types that users have defined.
func (t *Table) UsesTypes() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Type.Declared().Class() != datum.NotUserClass })
}

// SameDomains says whether the domains of a table's columns, and those that these are over, are
// in another catalogue as they are in this one.
func (c *Catalog) SameDomains(o *Catalog, t *Table) bool {
	for i := range t.Columns {
		oid := t.Columns[i].Type.Domain
		if oid.IsUserArray() {
			elem, _ := t.Columns[i].Type.Elem()
			oid = elem.Domain
		}
		for oid != 0 {
			def := c.Types[oid]
			if def != o.Types[oid] {
				return false
			}
			if def == nil {
				break
			}
			oid = def.Base.Domain
		}
	}
	return true
}

// AsksLessThan says whether the next definition of a domain refuses values that this one
// does not.
func (t *Type) AsksLessThan(next *Type) bool {
	return next.NotNull && !t.NotNull || slices.ContainsFunc(next.Checks, func(c Check) bool {
		i := slices.IndexFunc(t.Checks, func(o Check) bool { return o.OID == c.OID })
		return i < 0 || t.Checks[i].NotValid && !c.NotValid
	})
}
