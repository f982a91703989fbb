package datum

import "strconv"

// The OID of a type that a user has defined says what its values are made of, so that
// who stores, compares and hashes them need not know the definition: the bit of all user
// types, the class, the number of the object and whether it is the type of arrays of it.
const (
	userType   OID = 1 << 30
	classShift     = 28
	arrayBit   OID = 1
)

// MaxTypeObject is the greatest number of an object that can be, or have, a type.
const MaxTypeObject = 1<<27 - 1

// A Class is what the values of a user's type are made of.
type Class uint8

const (
	NotUserClass   Class = iota
	EnumClass            // Labels
	CompositeClass       // Rows
	DomainClass          // values of another type: Type.Domain
)

// UserType is the OID of the type that the object with a number is or has.
func UserType(c Class, object OID) OID { return userType | OID(c-1)<<classShift | object<<1 }

// Class returns the class of a user's type, or that of the elements of an array of one.
func (o OID) Class() Class {
	if o>>30 != 1 {
		return NotUserClass
	}
	return Class(o>>classShift&3) + 1
}

// Object returns the number of the object that a user's type is or belongs to.
func (o OID) Object() OID { return o & (1<<classShift - 1) >> 1 }

// IsUserArray says whether a type is that of the arrays of a user's type.
func (o OID) IsUserArray() bool { return o.Class() != NotUserClass && o&arrayBit != 0 }

// A Label is a value of an enum: the place of the label in the order of its type. A label
// keeps its place for ever, whatever becomes of its name or is put before it, so values
// are compared, hashed and stored as numbers, and UserTypes knows what they are called.
type Label int64

// UserTypes are the definitions of users' types, for reading and writing their values. It is
// immutable and safe for concurrent use.
type UserTypes interface {
	// TypeName is a type's name in SQL.
	TypeName(t OID) string
	// LabelName is what a label of an enum is called; ok is false if there is none.
	LabelName(enum OID, v Label) (name string, ok bool)
	// Label is the inverse, 22P02 if there is none of that name.
	Label(enum OID, name string) (Label, error)
	// Labels are all of an enum, in its order, also those that cannot be used yet, of which
	// Usable says so: 55P04.
	Labels(enum OID) ([]Label, error)
	Usable(enum OID, v Label) error
	// Attributes are the fields of a composite type.
	Attributes(t OID) ([]Attribute, error)
}

// An Attribute is a field of a composite type.
type Attribute struct {
	Name string
	Type Type
}

// TypeText is Type.String, but that it knows users' types as well.
func (e *Env) TypeText(t Type) string {
	if e != nil && e.Types != nil && t.OID.Class() != NotUserClass {
		return e.Types.TypeName(t.OID)
	}
	return t.String()
}

// parseLabel is enum_in. Who knows no types writes and reads labels as their places, as
// definitions keep values (schema.Column.Missing).
func parseLabel(t Type, s string, env *Env) (Label, error) {
	if env.Types == nil {
		v, err := parseInt(s, 64, "bigint")
		return Label(v), err
	}
	return env.Types.Label(t.OID, s)
}

// appendLabel is enum_out.
func appendLabel(dst []byte, t Type, v Label, env *Env) []byte {
	if env.Types != nil {
		if name, ok := env.Types.LabelName(t.OID, v); ok {
			return append(dst, name...)
		}
	}
	return strconv.AppendInt(dst, int64(v), 10)
}
