import java.io.StringReader;
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;

/** What a user of pgjdbc does, checked step by step. Argument: a JDBC URL. */
public class JdbcClient {
  static void check(String what, Object got, Object want) {
    if (!Objects.equals(got, want)) throw new AssertionError(what + ": got " + got + ", want " + want);
  }

  public static void main(String[] args) throws Exception {
    try (Connection c = DriverManager.getConnection(args[0])) {
      types(c);
      batch(c);
      portions(c);
      transactions(c);
      copy(c);
      metadata(c);
      cancel(c);
    }
    Properties simple = new Properties();
    simple.setProperty("preferQueryMode", "simple");
    simple.setProperty("user", "jdbc");
    try (Connection c = DriverManager.getConnection(args[0], simple); PreparedStatement s = c.prepareStatement("SELECT ?::int + 1")) {
      s.setInt(1, 41);
      try (ResultSet r = s.executeQuery()) { r.next(); check("simple mode", r.getInt(1), 42); }
    }
    System.out.println("ok");
  }

  static void types(Connection c) throws SQLException {
    try (Statement s = c.createStatement()) {
      s.execute("CREATE TABLE j_types (id int PRIMARY KEY, b boolean, i8 bigint, r real, d double precision, n numeric(12,3),"
          + " t text, by bytea, da date, tz timestamptz, u uuid, a int[])");
    }
    OffsetDateTime at = OffsetDateTime.of(2020, 1, 2, 3, 4, 5, 678901000, ZoneOffset.UTC);
    UUID u = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    try (PreparedStatement s = c.prepareStatement("INSERT INTO j_types VALUES (?,?,?,?,?,?,?,?,?,?,?,?)")) {
      s.setInt(1, 1); s.setBoolean(2, true); s.setLong(3, 1L << 62); s.setFloat(4, 1.5f); s.setDouble(5, 0.1);
      s.setBigDecimal(6, new BigDecimal("12.345")); s.setString(7, "h\u00e9"); s.setBytes(8, new byte[] {0, -1});
      s.setObject(9, LocalDate.of(2020, 2, 29)); s.setObject(10, at); s.setObject(11, u);
      s.setArray(12, c.createArrayOf("int4", new Integer[] {1, null, 3}));
      check("insert", s.executeUpdate(), 1);
    }
    try (PreparedStatement s = c.prepareStatement("SELECT * FROM j_types WHERE id = ?")) {
      for (int i = 0; i < 8; i++) { // from the fifth run on, pgjdbc uses a named statement and binary results
        s.setInt(1, 1);
        try (ResultSet r = s.executeQuery()) {
          r.next();
          check("boolean", r.getBoolean(2), true); check("bigint", r.getLong(3), 1L << 62); check("real", r.getFloat(4), 1.5f);
          check("double", r.getDouble(5), 0.1); check("numeric", r.getBigDecimal(6), new BigDecimal("12.345"));
          check("text", r.getString(7), "h\u00e9"); check("bytea", r.getBytes(8).length, 2);
          check("date", r.getObject(9, LocalDate.class), LocalDate.of(2020, 2, 29));
          check("timestamptz", r.getObject(10, OffsetDateTime.class).toInstant(), at.toInstant());
          check("uuid", r.getObject(11), u);
          check("array", Arrays.asList((Integer[]) r.getArray(12).getArray()), Arrays.asList(1, null, 3));
        }
      }
    }
  }

  static void batch(Connection c) throws SQLException {
    try (Statement s = c.createStatement()) { s.execute("CREATE TABLE j_batch (n int, ts timestamptz)"); }
    c.setAutoCommit(false);
    try (PreparedStatement s = c.prepareStatement("INSERT INTO j_batch VALUES (?, ?)")) {
      for (int i = 0; i < 1000; i++) {
        s.setInt(1, i); s.setObject(2, OffsetDateTime.of(2020, 1, 1, 0, i / 60 % 60, i % 60, 0, ZoneOffset.UTC)); s.addBatch();
      }
      check("batch", s.executeBatch().length, 1000);
    }
    c.commit();
    c.setAutoCommit(true);
  }

  static void portions(Connection c) throws SQLException {
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.setFetchSize(100);
      long sum = 0;
      try (ResultSet r = s.executeQuery("SELECT n FROM j_batch ORDER BY n")) { while (r.next()) sum += r.getInt(1); }
      check("fetch size", sum, 499500L);
    }
    c.commit();
    c.setAutoCommit(true);
  }

  static void transactions(Connection c) throws SQLException {
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.execute("CREATE TABLE j_txn (n int PRIMARY KEY)");
      s.execute("INSERT INTO j_txn VALUES (1)");
      Savepoint sp = c.setSavepoint();
      try { s.execute("INSERT INTO j_txn VALUES (1)"); throw new AssertionError("duplicate"); }
      catch (SQLException e) { check("SQLSTATE", e.getSQLState(), "23505"); c.rollback(sp); }
      s.execute("INSERT INTO j_txn VALUES (2)");
    }
    c.commit();
    c.setAutoCommit(true);
    try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT count(*) FROM j_txn")) { r.next(); check("rows", r.getLong(1), 2L); }
  }

  static void copy(Connection c) throws Exception {
    long n = c.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY j_txn FROM STDIN", new StringReader("10\n11\n"));
    check("copyIn", n, 2L);
  }

  static void metadata(Connection c) throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    check("product", m.getDatabaseProductName(), "PostgreSQL");
    List<String> columns = new ArrayList<>();
    try (ResultSet r = m.getColumns(null, "public", "j_txn", null)) { while (r.next()) columns.add(r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME")); }
    check("columns", columns, List.of("n int4"));
    List<String> tables = new ArrayList<>();
    try (ResultSet r = m.getTables(null, "public", "j_%", new String[] {"TABLE"})) { while (r.next()) tables.add(r.getString("TABLE_NAME")); }
    check("tables", tables, List.of("j_batch", "j_txn", "j_types"));
    try (ResultSet r = m.getPrimaryKeys(null, "public", "j_txn")) { r.next(); check("key", r.getString("COLUMN_NAME"), "n"); }
  }

  static void cancel(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.setQueryTimeout(1);
      try { s.execute("SELECT pg_sleep(30)"); throw new AssertionError("not cancelled"); }
      catch (SQLException e) { check("cancelled", e.getSQLState(), "57014"); }
    }
  }
}
