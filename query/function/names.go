package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
)

// A relation is what functions know of a table, view, index or catalogue
// relation.
type relation struct {
	oid, namespace datum.OID
	schema, name   string
	table          *schema.Table // of a table
	view           *schema.View
	sequence       *schema.Sequence
	index          *schema.Index
	of             *schema.Table // the table that an index is of
}

func tableRelation(c *Context, t *schema.Table) *relation {
	return &relation{oid: t.OID, namespace: t.Namespace, schema: namespaceName(c, t.Namespace), name: t.Name, table: t}
}

func viewRelation(c *Context, v *schema.View) *relation {
	return &relation{oid: v.OID, namespace: v.Namespace, schema: namespaceName(c, v.Namespace), name: v.Name, view: v}
}

func sequenceRelation(c *Context, s *schema.Sequence) *relation {
	return &relation{oid: s.OID, namespace: s.Namespace, schema: namespaceName(c, s.Namespace), name: s.Name, sequence: s}
}

// typeRelation is a composite type as a relation: it has a name.
func typeRelation(c *Context, t *schema.Type) *relation {
	return &relation{oid: t.OID.Object(), namespace: t.Namespace, schema: namespaceName(c, t.Namespace), name: t.Name}
}

func indexRelation(c *Context, t *schema.Table, x *schema.Index) *relation {
	return &relation{oid: x.OID, namespace: t.Namespace, schema: namespaceName(c, t.Namespace), name: x.Name, of: t, index: x}
}

// relationByOID finds a relation; nil if there is none.
func relationByOID(c *Context, oid datum.OID) *relation {
	if c.Catalog != nil {
		if t := c.Catalog.Tables[oid]; t != nil {
			return tableRelation(c, t)
		}
		if v := c.Catalog.Views[oid]; v != nil {
			return viewRelation(c, v)
		}
		if s := c.Catalog.Sequences[oid]; s != nil {
			return sequenceRelation(c, s)
		}
		if t := c.Catalog.Types[datum.UserType(datum.CompositeClass, oid)]; t != nil {
			return typeRelation(c, t)
		}
		for _, t := range c.Catalog.Tables {
			for _, x := range t.AllIndexes() {
				if x.OID == oid {
					return indexRelation(c, t, &x)
				}
			}
		}
	}
	if c.System != nil {
		if ns, name, ok := c.System.RelationName(oid); ok {
			return &relation{oid: oid, namespace: namespaceOID(c, ns), schema: ns, name: name}
		}
	}
	return nil
}

// relationByName finds a relation in a schema, or in the search path if that is empty.
func relationByName(c *Context, schemaName, name string) *relation {
	path := []string{schemaName}
	switch schemaName {
	case "":
		path = searchPath(c)
	case tempAlias:
		path[0] = namespaceName(c, myTempSchema(c))
	}
	for _, ns := range path {
		if r := relationIn(c, ns, name); r != nil {
			return r
		}
	}
	return nil
}

func relationIn(c *Context, ns, name string) *relation {
	if c.System != nil {
		if oid, ok := c.System.RelationOID(ns, name); ok {
			return &relation{oid: oid, namespace: namespaceOID(c, ns), schema: ns, name: name}
		}
	}
	if c.Catalog == nil {
		return nil
	}
	for _, t := range c.Catalog.Tables {
		if namespaceName(c, t.Namespace) != ns {
			continue
		}
		if t.Name == name {
			return tableRelation(c, t)
		}
		for _, x := range t.AllIndexes() {
			if x.Name == name {
				return indexRelation(c, t, &x)
			}
		}
	}
	for _, v := range c.Catalog.Views {
		if v.Name == name && namespaceName(c, v.Namespace) == ns {
			return viewRelation(c, v)
		}
	}
	for _, s := range c.Catalog.Sequences {
		if s.Name == name && namespaceName(c, s.Namespace) == ns {
			return sequenceRelation(c, s)
		}
	}
	for _, t := range c.Catalog.Types {
		if t.Name == name && t.OID.Class() == datum.CompositeClass && namespaceName(c, t.Namespace) == ns {
			return typeRelation(c, t)
		}
	}
	return nil
}

// visible says whether a relation is found by its name alone.
func (r *relation) visible(c *Context) bool {
	found := relationByName(c, "", r.name)
	return found != nil && found.oid == r.oid
}

// columns returns the columns of a stored relation, in the order of their numbers.
func (r *relation) columns() []schema.Column {
	switch {
	case r.view != nil:
		return r.view.Columns
	case r.index != nil:
		var cols []schema.Column
		for _, k := range r.index.Keys {
			if k.Column == 0 {
				cols = append(cols, schema.Column{Name: "expr"})
				continue
			}
			cols = append(cols, *r.of.Column(k.Column))
		}
		return cols
	case r.table != nil:
		return r.table.Columns
	}
	return nil
}

// tempAlias is what a session may call its schema of temporary relations.
const tempAlias = "pg_temp"

// searchPath is the effective one, pg_catalog included.
func searchPath(c *Context) []string {
	if c.Session == nil {
		return []string{"pg_catalog", "public"}
	}
	return c.Session.SearchPath(true)
}

var builtinNamespaces = map[datum.OID]string{
	schema.PGCatalogOID: "pg_catalog", schema.PublicOID: "public",
	schema.InformationOID: "information_schema", schema.PhylloCatalogOID: "phyllo_catalog",
}

func namespaceName(c *Context, oid datum.OID) string {
	if c.Catalog != nil {
		if n := c.Catalog.Namespaces[oid]; n != nil {
			return n.Name
		}
	}
	return builtinNamespaces[oid]
}

// namespaceOID returns 0 if there is no such schema.
func namespaceOID(c *Context, name string) datum.OID {
	if name == tempAlias {
		return myTempSchema(c)
	}
	if c.Catalog != nil {
		for oid, n := range c.Catalog.Namespaces {
			if n.Name == name {
				return oid
			}
		}
	}
	for oid, n := range builtinNamespaces {
		if n == name {
			return oid
		}
	}
	return 0
}

// roleName and roleOID know the roles of pg_roles; without a System those that
// are stored.
func roleName(c *Context, oid datum.OID) (string, bool) {
	if c.System != nil {
		return c.System.RoleName(c.Catalog, sessionUser(c), oid)
	}
	if c.Catalog != nil {
		for _, r := range c.Catalog.Roles {
			if r.OID == oid {
				return r.Name, true
			}
		}
	}
	return "", false
}

func roleOID(c *Context, name string) (datum.OID, bool) {
	if c.System != nil {
		oid := c.System.RoleOID(c.Catalog, name)
		known, ok := c.System.RoleName(c.Catalog, sessionUser(c), oid)
		return oid, ok && known == name
	}
	if c.Catalog == nil || c.Catalog.Roles[name] == nil {
		return 0, false
	}
	return c.Catalog.Roles[name].OID, true
}

func sessionUser(c *Context) string {
	if c.Session == nil {
		return ""
	}
	return c.Session.User()
}

// qualifiedName splits a name as SQL writes it, a.b or "A"."b", into its parts.
func qualifiedName(s string) ([]string, error) {
	bad := pgerr.New(pgerr.InvalidName, "invalid name syntax")
	var parts []string
	rest := strings.TrimSpace(s)
	for {
		part, after, ok := nextIdent(rest)
		if !ok {
			return nil, bad
		}
		parts = append(parts, part)
		if rest = strings.TrimSpace(after); rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, bad
		}
		rest = strings.TrimSpace(rest[1:])
	}
}

// nextIdent takes an identifier off a string: a quoted one as it is, another in
// small letters.
func nextIdent(s string) (ident, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ". \t\n\r\f")
		if end < 0 {
			end = len(s)
		}
		return lowerASCII(s[:end]), s[end:], end > 0
	}
	var b strings.Builder
	for rest = s[1:]; ; {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			return "", "", false
		}
		b.WriteString(rest[:i])
		if rest = rest[i+1:]; !strings.HasPrefix(rest, `"`) {
			return b.String(), rest, b.Len() > 0
		}
		b.WriteByte('"')
		rest = rest[1:]
	}
}

// splitName is qualifiedName for a name with at most a schema, and a database
// before that, which must be the present one.
func splitName(c *Context, s string) (schemaName, name string, err error) {
	parts, err := qualifiedName(s)
	if err != nil {
		return "", "", err
	}
	switch n := len(parts); {
	case n > 3:
		return "", "", pgerr.New(pgerr.SyntaxError, "improper relation name (too many dotted names): %s", strings.Join(parts, "."))
	case n == 3 && (c.Catalog == nil || parts[0] != c.Catalog.Database):
		return "", "", pgerr.Unsupported("cross-database references are not implemented: \"%s\"", strings.Join(parts, "."))
	case n > 1:
		return parts[n-2], parts[n-1], nil
	}
	return "", parts[0], nil
}

// quotedIn writes the name of an object of a schema, which is left out if the
// object is found without.
func quotedIn(schemaName, name string, visible bool) string {
	if visible {
		schemaName = ""
	}
	return ast.Name{Schema: schemaName, Name: name}.String()
}
