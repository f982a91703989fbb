package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// EnumLabels are the labels of CREATE TYPE ... AS ENUM, without OIDs.
func EnumLabels(names []string) ([]schema.Label, error) {
	var out []schema.Label
	var err error
	for _, name := range names {
		if err := CheckLabel(name); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(l schema.Label) bool { return l.Name == name }) {
			return nil, pgerr.New(pgerr.UniqueViolation, "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"").
				WithDetail("Key (enumlabel)=(%s) already exists.", name)
		}
		if out, err = schema.WithLabel(out, len(out), schema.Label{Name: name}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxLabel is the longest name of a label, as that of any object.
const maxLabel = 63

// CheckLabel refuses what cannot be the name of a label.
func CheckLabel(name string) error {
	if len(name) <= maxLabel {
		return nil
	}
	return pgerr.New(pgerr.InvalidName, "invalid enum label \"%s\"", name).WithDetail("Labels must be %d bytes or less.", maxLabel)
}

// LabelIndex is where ADD VALUE puts a label.
func LabelIndex(t *schema.Type, x *ast.AlterAction) (int, error) {
	if !x.Beside {
		return len(t.Labels), nil
	}
	i := slices.IndexFunc(t.Labels, func(l schema.Label) bool { return l.Name == x.Column })
	if i < 0 {
		return 0, noLabel(x.Column)
	}
	if x.After {
		i++
	}
	return i, nil
}

// RenameLabel is RENAME VALUE.
func RenameLabel(t *schema.Type, x *ast.AlterAction) error {
	if err := CheckLabel(x.NewName); err != nil {
		return err
	}
	t.Labels = slices.Clone(t.Labels)
	switch l := t.Label(x.Column); {
	case l == nil:
		return noLabel(x.Column)
	case t.Label(x.NewName) != nil:
		return pgerr.New(pgerr.DuplicateObject, "enum label \"%s\" already exists", x.NewName)
	default:
		l.Name = x.NewName
	}
	return nil
}

func noLabel(name string) error {
	return pgerr.New(pgerr.InvalidParameterValue, "\"%s\" is not an existing enum label", name)
}
