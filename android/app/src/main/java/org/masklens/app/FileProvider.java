package org.masklens.app;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.Environment;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.List;

/**
 * Lets the app that a file is shared with read that file, and nothing else: it is not exported, and
 * a grant travels with each share. Addresses are content://org.masklens.app.files/FOLDER/NAME.
 */
public final class FileProvider extends ContentProvider {
    static final String AUTHORITY = "org.masklens.app.files";

    /** Files on their way to another app; emptied when masklens starts. */
    static final String SHARED = "shared";

    /** Files that were saved where Android has no place that needs no permission (before 10). */
    static final String KEPT = "kept";

    /** The folder of that name, or null where there is no storage. */
    static File folder(Context context, String name) {
        if (name.equals(SHARED)) return new File(context.getCacheDir(), "shared");
        if (name.equals(KEPT)) return context.getExternalFilesDir(Environment.DIRECTORY_PICTURES);
        return null;
    }

    static Uri uri(String folder, File file) {
        return new Uri.Builder()
                .scheme("content")
                .authority(AUTHORITY)
                .appendPath(folder)
                .appendPath(file.getName())
                .build();
    }

    /** The file that an address names. Throws FileNotFoundException if it names none of ours. */
    private File file(Uri uri) throws FileNotFoundException {
        List<String> parts = uri.getPathSegments();
        File folder = parts.size() == 2 ? folder(getContext(), parts.get(0)) : null;
        if (folder == null) throw new FileNotFoundException(uri.toString());
        try {
            // A part of a path may hold "../" when it was encoded.
            File file = new File(folder, parts.get(1)).getCanonicalFile();
            if (folder.getCanonicalFile().equals(file.getParentFile()) && file.isFile()) return file;
        } catch (IOException unreadable) {
            // said below
        }
        throw new FileNotFoundException(uri.toString());
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (!mode.equals("r")) throw new FileNotFoundException("read only");
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public Cursor query(Uri uri, String[] wanted, String selection, String[] arguments, String order) {
        String[] columns = wanted != null ? wanted : new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE};
        MatrixCursor cursor = new MatrixCursor(columns, 1);
        try {
            File file = file(uri);
            MatrixCursor.RowBuilder row = cursor.newRow();
            for (String column : columns) {
                if (column.equals(OpenableColumns.DISPLAY_NAME)) row.add(file.getName());
                else if (column.equals(OpenableColumns.SIZE)) row.add(file.length());
                else row.add(null);
            }
        } catch (FileNotFoundException missing) {
            // no row
        }
        return cursor;
    }

    @Override
    public String getType(Uri uri) {
        return KeptFile.typeOf(String.valueOf(uri.getLastPathSegment()));
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException("read only");
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException("read only");
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException("read only");
    }
}
