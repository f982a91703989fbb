package schema

import "strings"

// CheckOption is WITH CHECK OPTION of a view: what rows that are written through it must obey.
type CheckOption string

const (
	NoCheck       CheckOption = ""
	CheckLocal    CheckOption = "local"    // the view's condition
	CheckCascaded CheckOption = "cascaded" // and those of the views that it reads
)

// Option is the value of an option of WITH (...), empty if it is not set.
func (v *View) Option(name string) string {
	for _, o := range v.Options {
		if value, ok := strings.CutPrefix(o, name+"="); ok {
			return value
		}
	}
	return ""
}

// CheckOption is the view's check option.
func (v *View) CheckOption() CheckOption { return CheckOption(v.Option("check_option")) }

// A Materialized is what makes a table a materialized view.
type Materialized struct {
	SQL string // of the query, as that of a View
	// Populated: it has rows of the query, as of when it was refreshed last. Else it cannot be read.
	Populated bool
}

// AsView is a materialized view as a view of the same query; nil for other tables.
func (t *Table) AsView() *View {
	if t.Materialized == nil {
		return nil
	}
	return &View{OID: t.OID, Namespace: t.Namespace, Name: t.Name, Owner: t.Owner, Columns: t.Live(), SQL: t.Materialized.SQL}
}
