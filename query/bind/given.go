package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// computed says why no value may be given for a column; "" if one may.
func computed(c *schema.Column) string {
	switch {
	case c.Generated != "":
		return "a generated column"
	case c.Identity == schema.IdentityAlways:
		return "an identity column defined as GENERATED ALWAYS"
	}
	return ""
}

// givenColumns checks the columns that INSERT gives values for, of which isDefault says
// whether all of them are DEFAULT, and returns those whose values do not count: OVERRIDING
// USER VALUE has identity columns take their own.
func givenColumns(overriding ast.Overriding, t *schema.Table, cols []int, isDefault func(i int) bool) (ignored []int, err error) {
	for i, at := range cols {
		c := &t.Columns[at]
		if overriding == ast.OverridingUser && c.Identity != schema.NoIdentity {
			if !isDefault(i) {
				ignored = append(ignored, i)
			}
			continue
		}
		why := computed(c)
		if why == "" || isDefault(i) || overriding == ast.OverridingSystem && c.Identity != schema.NoIdentity {
			continue
		}
		e := pgerr.New(pgerr.GeneratedAlways, "cannot insert a non-DEFAULT value into column %q", c.Name).
			WithDetail("Column %q is %s.", c.Name, why)
		if c.Identity != schema.NoIdentity {
			e = e.WithHint("Use OVERRIDING SYSTEM VALUE to override.")
		}
		return nil, e
	}
	return ignored, nil
}

// allDefault says of which columns of VALUES all rows have DEFAULT.
func allDefault(rows [][]ast.Expr) func(i int) bool {
	return func(i int) bool {
		return !slices.ContainsFunc(rows, func(row []ast.Expr) bool {
			if i >= len(row) {
				return true // which is an error
			}
			_, ok := row[i].(*ast.Default)
			return !ok
		})
	}
}

// updatable checks that a column may be set to a value that is not its default.
func updatable(c *schema.Column) error {
	if why := computed(c); why != "" {
		return pgerr.New(pgerr.GeneratedAlways, "column %q can only be updated to DEFAULT", c.Name).WithDetail("Column %q is %s.", c.Name, why)
	}
	return nil
}
