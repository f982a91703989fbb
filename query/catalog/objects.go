package catalog

import (
	"cmp"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// OIDs of PostgreSQL's own objects that rows refer to.
const (
	heapAM           datum.OID = 2
	btreeAM          datum.OID = 403
	classOfTypes     datum.OID = 1247
	classOfRelations datum.OID = 1259
	classOfConstr    datum.OID = 2606
	classOfSchemas   datum.OID = 2615
	classOfDefaults  datum.OID = 2604
	defaultTablespc  datum.OID = 1663
	bootstrapRole    datum.OID = 10
	databaseOwner    datum.OID = 6171
)

// bootstrapName is the role that owns the built-in objects.
const bootstrapName = "phyllo"

// derivedOID makes a stable OID for an object that the catalogue log gives none,
// from what identifies it. They have the top bit, which the log never reaches.
func derivedOID(kind string, of datum.OID, n int) datum.OID {
	h := crc32.ChecksumIEEE([]byte(kind + " " + strconv.Itoa(int(of)) + " " + strconv.Itoa(n)))
	return datum.OID(h | 1<<31)
}

// dropped says whether a column is only a place that a dropped one left.
func dropped(c *schema.Column) bool { return c.Name == "" || c.Type.OID == 0 }

// tables returns the tables by OID, views likewise.
func (e *Env) tables() []*schema.Table {
	return slices.SortedFunc(maps.Values(e.Catalog.Tables), func(a, b *schema.Table) int { return cmp.Compare(a.OID, b.OID) })
}

// baseTables are the tables but materialized views, of which information_schema knows nothing.
func (e *Env) baseTables() []*schema.Table {
	return slices.DeleteFunc(e.tables(), func(t *schema.Table) bool { return t.Materialized != nil })
}

func (e *Env) views() []*schema.View {
	return slices.SortedFunc(maps.Values(e.Catalog.Views), func(a, b *schema.View) int { return cmp.Compare(a.OID, b.OID) })
}

// A namespace is a schema, stored or built in.
type namespace struct {
	oid   datum.OID
	name  string
	owner string // empty: the bootstrap role; of public the database's owner
}

func (e *Env) namespaces() []namespace {
	list := []namespace{
		{schema.PGCatalogOID, "pg_catalog", ""},
		{schema.InformationOID, "information_schema", ""}, {schema.PhylloCatalogOID, "phyllo_catalog", ""},
	}
	for _, n := range e.Catalog.Namespaces {
		if i := slices.IndexFunc(list, func(x namespace) bool { return x.oid == n.OID }); i >= 0 {
			list[i].name = n.Name
			if n.OID >= schema.FirstUserOID {
				list[i].owner = n.Owner
			}
			continue
		}
		list = append(list, namespace{n.OID, n.Name, n.Owner})
	}
	slices.SortFunc(list, func(a, b namespace) int { return cmp.Compare(a.oid, b.oid) })
	return list
}

func (e *Env) namespaceName(oid datum.OID) string {
	if n := e.Catalog.Namespaces[oid]; n != nil {
		return n.Name
	}
	switch oid {
	case schema.PGCatalogOID:
		return "pg_catalog"
	case schema.PublicOID:
		return "public"
	case schema.InformationOID:
		return "information_schema"
	case schema.PhylloCatalogOID:
		return "phyllo_catalog"
	}
	return ""
}

// RoleOID returns the OID of a role by name: the stored one, or a stable one of
// its own for a user who has connected but owns nothing yet.
func RoleOID(c *schema.Catalog, name string) datum.OID {
	if r := c.Roles[name]; r != nil {
		return r.OID
	}
	switch name {
	case "", bootstrapName:
		return bootstrapRole
	case "pg_database_owner":
		return databaseOwner
	}
	return derivedOID("role "+name, 0, 0)
}

// RoleName is the inverse of RoleOID for the roles that a session sees: stored
// ones, the session's user and the built-in ones.
func RoleName(c *schema.Catalog, user string, oid datum.OID) (string, bool) {
	for _, r := range c.Roles {
		if r.OID == oid {
			return r.Name, true
		}
	}
	for _, name := range []string{user, bootstrapName, "pg_database_owner"} {
		if RoleOID(c, name) == oid && name != "" {
			return name, true
		}
	}
	return "", false
}

// roles returns all roles by OID, the session's user and the built-in ones included.
func (e *Env) roles() []schema.Role {
	byName := map[string]schema.Role{
		bootstrapName:       {OID: RoleOID(e.Catalog, bootstrapName), Name: bootstrapName, Superuser: true},
		"pg_database_owner": {OID: databaseOwner, Name: "pg_database_owner"},
	}
	if e.User != "" {
		byName[e.User] = schema.Role{OID: RoleOID(e.Catalog, e.User), Name: e.User, Superuser: true}
	}
	for _, r := range e.Catalog.Roles {
		byName[r.Name] = *r
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b schema.Role) int { return cmp.Compare(a.OID, b.OID) })
}

// columnNumber is a column's place in its table, from 1 on; 0 if there is none of that ID.
func columnNumber(t *schema.Table, id schema.ColumnID) int {
	return 1 + slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.ID == id })
}

// columnNumbers are the places of columns in their table.
func columnNumbers(t *schema.Table, ids []schema.ColumnID) []int {
	out := []int{}
	for _, id := range ids {
		out = append(out, columnNumber(t, id))
	}
	return out
}

// reloptions are the WITH options that a table is stored under.
func reloptions(t *schema.Table) []string {
	var opts []string
	if t.PartitionKind == schema.PartitionHash && t.Partitions > 0 {
		opts = append(opts, "partitions="+strconv.Itoa(t.Partitions))
	}
	if c := t.Column(t.TimeColumn); t.TimeColumn != 0 && c != nil {
		opts = append(opts, "time_column="+c.Name)
	}
	if t.Slice > 0 {
		opts = append(opts, "slice="+durationText(t.Slice))
	}
	if t.Retention > 0 {
		opts = append(opts, "retention="+durationText(t.Retention))
	}
	if t.History > 0 {
		opts = append(opts, "history_retention="+durationText(t.History))
	}
	if t.Keyed() {
		opts = append(opts, "on_duplicate="+duplicateText(t.OnDuplicate))
	}
	return opts
}

func duplicateText(d schema.OnDuplicate) string {
	switch d {
	case schema.DuplicateReplace:
		return "replace"
	case schema.DuplicateIgnore:
		return "ignore"
	}
	return "error"
}

// durationText writes a duration as an interval's input.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		size time.Duration
		name string
	}{{day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d >= u.size && d%u.size == 0 {
			n := strconv.FormatInt(int64(d/u.size), 10) + " " + u.name
			if d != u.size {
				n += "s"
			}
			return n
		}
	}
	return strconv.FormatInt(d.Microseconds(), 10) + " microseconds"
}

// interval converts a duration to an interval value; 0 is NULL.
func interval(d time.Duration) any {
	if d == 0 {
		return nil
	}
	const day = 24 * time.Hour
	return datum.IntervalValue{Days: int32(d / day), Micros: (d % day).Microseconds()}
}

func nullIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// isArray says whether a type is an array that users may make columns of.
func isArray(t datum.Type) bool {
	_, ok := t.Elem()
	return ok && t.OID != datum.Int2Vector && t.OID != datum.OIDVector
}
