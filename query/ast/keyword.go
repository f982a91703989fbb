package ast

import "strings"

// KeywordClass says where a keyword may stand as a name (PostgreSQL's
// documentation, appendix C).
type KeywordClass byte

const (
	Unreserved    KeywordClass = 'U' // any name
	ColumnKeyword KeywordClass = 'C' // not a function or type
	TypeFunction  KeywordClass = 'T' // only a function or type
	Reserved      KeywordClass = 'R' // none, unless after AS
)

// A Keyword is an SQL keyword of PostgreSQL 15.
type Keyword struct {
	Word  string // lower case
	Class KeywordClass
	// BareLabel keywords may name a column without AS.
	BareLabel bool
}

// LookupKeyword finds a keyword by its lower-case word.
func LookupKeyword(word string) (Keyword, bool) {
	k, ok := keywords[word]
	return k, ok
}

// Keywords returns all keywords, in no order.
func Keywords() []Keyword {
	all := make([]Keyword, 0, len(keywords))
	for _, k := range keywords {
		all = append(all, k)
	}
	return all
}

var keywords = makeKeywords()

func makeKeywords() map[string]Keyword {
	m := make(map[string]Keyword, 512)
	for _, g := range keywordGroups {
		for w := range strings.FieldsSeq(g.words) {
			m[w] = Keyword{w, g.class, g.bare}
		}
	}
	return m
}

// keywordGroups is PostgreSQL 15's kwlist by class and by fitness as a bare label.
var keywordGroups = []struct {
	class KeywordClass
	bare  bool
	words string
}{
	{ColumnKeyword, false, `
		char character precision`},
	{ColumnKeyword, true, `
		between bigint bit boolean coalesce dec decimal exists extract float greatest grouping inout
		int integer interval least national nchar none normalize nullif numeric out overlay position
		real row setof smallint substring time timestamp treat trim values varchar xmlattributes
		xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize
		xmltable`},
	{Reserved, false, `
		array as create except fetch for from grant group having intersect into limit offset on order
		returning to union where window with`},
	{Reserved, true, `
		all analyse analyze and any asc asymmetric both case cast check collate column constraint
		current_catalog current_date current_role current_time current_timestamp current_user default
		deferrable desc distinct do else end false foreign in initially lateral leading localtime
		localtimestamp not null only or placing primary references select session_user some symmetric
		table then trailing true unique user using variadic when`},
	{TypeFunction, false, `
		isnull notnull overlaps`},
	{TypeFunction, true, `
		authorization binary collation concurrently cross current_schema freeze full ilike inner is
		join left like natural outer right similar tablesample verbose`},
	{Unreserved, false, `
		day filter hour minute month over second varying within without year`},
	{Unreserved, true, `
		abort absolute access action add admin after aggregate also alter always asensitive assertion
		assignment at atomic attach attribute backward before begin breadth by cache call called
		cascade cascaded catalog chain characteristics checkpoint class close cluster columns comment
		comments commit committed compression configuration conflict connection constraints content
		continue conversion copy cost csv cube current cursor cycle data database deallocate declare
		defaults deferred definer delete delimiter delimiters depends depth detach dictionary disable
		discard document domain double drop each enable encoding encrypted enum escape event exclude
		excluding exclusive execute explain expression extension external family finalize first
		following force forward function functions generated global granted groups handler header hold
		identity if immediate immutable implicit import include including increment index indexes
		inherit inherits inline input insensitive insert instead invoker isolation key label language
		large last leakproof level listen load local location lock locked logged mapping match matched
		materialized maxvalue merge method minvalue mode move name names new next nfc nfd nfkc nfkd no
		normalized nothing notify nowait nulls object of off oids old operator option options
		ordinality others overriding owned owner parallel parameter parser partial partition passing
		password plans policy preceding prepare prepared preserve prior privileges procedural
		procedure procedures program publication quote range read reassign recheck recursive ref
		referencing refresh reindex relative release rename repeatable replace replica reset restart
		restrict return returns revoke role rollback rollup routine routines rows rule savepoint
		schema schemas scroll search security sequence sequences serializable server session set sets
		share show simple skip snapshot sql stable standalone start statement statistics stdin stdout
		storage stored strict strip subscription support sysid system tables tablespace temp template
		temporary text ties transaction transform trigger truncate trusted type types uescape
		unbounded uncommitted unencrypted unknown unlisten unlogged until update vacuum valid validate
		validator value version view views volatile whitespace work wrapper write xml yes zone`},
}
