package ast

// ColumnName is the name that PostgreSQL gives to an output column without an
// alias: its FigureColname. The name of what has none is "?column?".
func ColumnName(e Expr) string {
	if name, strength := figureName(e); strength > 0 {
		return name
	}
	return "?column?"
}

// figureName returns a name and how good it is: 0 none, 1 a type's or CASE, 2
// a proper one. A weak name yields to a better one further out.
func figureName(e Expr) (string, int) {
	switch e := e.(type) {
	case *ColumnRef:
		if n := len(e.Names); n > 0 {
			return e.Names[n-1], 2
		}
	case *FieldSelect:
		if !e.Star {
			return e.Field, 2
		}
		return figureName(e.Arg)
	case *Subscript:
		return figureName(e.Arg)
	case *FuncCall:
		return e.Name[len(e.Name)-1], 2
	case *NullIf:
		return "nullif", 2
	case *Cast:
		if name, s := figureName(e.Arg); s > 1 {
			return name, s
		}
		return e.Type.Names[len(e.Type.Names)-1], 1
	case *Collate:
		return figureName(e.Arg)
	case *Grouping:
		return "grouping", 2
	case *Exists:
		return "exists", 2
	case *ArrayQuery, *ArrayExpr:
		return "array", 2
	case *Subquery:
		return subqueryName(e.Query)
	case *Case:
		if name, s := figureName(e.Else); s > 1 {
			return name, s
		}
		return "case", 1
	case *Row:
		return "row", 2
	case *Coalesce:
		return "coalesce", 2
	case *Greatest:
		if e.Least {
			return "least", 2
		}
		return "greatest", 2
	case *SQLValue:
		return sqlValueNames[e.Kind], 2
	case *IsNormalized:
		if !e.Not {
			return "is_normalized", 2
		}
	}
	return "", 0
}

func subqueryName(q *Select) (string, int) {
	for q.SetOp != nil { // the names of a set operation are its left side's
		q = q.SetOp.Left
	}
	if len(q.Values) > 0 {
		return "column1", 2
	}
	if len(q.Targets) == 0 {
		return "", 0
	}
	if t := q.Targets[0]; t.Alias != "" {
		return t.Alias, 2
	}
	return figureName(q.Targets[0].Expr)
}

var sqlValueNames = [...]string{
	CurrentDate:      "current_date",
	CurrentTime:      "current_time",
	CurrentTimestamp: "current_timestamp",
	LocalTime:        "localtime",
	LocalTimestamp:   "localtimestamp",
	CurrentRole:      "current_role",
	CurrentUser:      "current_user",
	User:             "user",
	SessionUser:      "session_user",
	CurrentCatalog:   "current_catalog",
	CurrentSchema:    "current_schema",
}
