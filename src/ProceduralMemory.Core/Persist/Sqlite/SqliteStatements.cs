using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// The statements that a replay repeats for each of its steps, prepared once for a connection that stays open. To prepare one of them takes SQLite as long as to run it, and
/// neither Dapper nor the provider keeps what was prepared from one command to the next.
/// </summary>
internal sealed class SqliteStatements
{
    private static readonly ConditionalWeakTable<SqliteConnection, SqliteStatements> OfConnection = [];

    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _commands = new(StringComparer.Ordinal);

    private SqliteStatements(SqliteConnection connection)
    {
        _connection = connection;
        _connection.Disposed += (_, _) =>
        {
            foreach (var command in _commands.Values)
            {
                command.Dispose();
            }
        };
    }

    public static SqliteStatements Of(SqliteConnection connection) => OfConnection.GetValue(connection, static c => new SqliteStatements(c));

    public int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters) => Prepared(sql, parameters).ExecuteNonQuery();

    public object? Scalar(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters) => Prepared(sql, parameters).ExecuteScalar();

    private SqliteCommand Prepared(string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = _connection.CreateCommand();
#pragma warning disable CA2100 // Statements are constants of the store; values are parameters.
            command.CommandText = sql;
#pragma warning restore CA2100
            _commands.Add(sql, command);
            foreach (var (name, _) in parameters)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = name });
            }
        }

        for (var i = 0; i < parameters.Length; i++)
        {
            command.Parameters[i].Value = parameters[i].Value ?? DBNull.Value;
        }

        return command;
    }
}
