using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>Vectors as they are stored: little-endian floats.</summary>
internal static class VectorBlob
{
    public static byte[] Of(ReadOnlySpan<float> vector)
    {
        var blob = new byte[vector.Length * sizeof(float)];
        for (var i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(blob.AsSpan(i * sizeof(float)), vector[i]);
        }

        return blob;
    }

    public static float[] Read(byte[] blob)
    {
        var vector = new float[blob.Length / sizeof(float)];
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.Cast<byte, float>(blob).CopyTo(vector);
        }
        else
        {
            for (var i = 0; i < vector.Length; i++)
            {
                vector[i] = BinaryPrimitives.ReadSingleLittleEndian(blob.AsSpan(i * sizeof(float)));
            }
        }

        return vector;
    }
}
