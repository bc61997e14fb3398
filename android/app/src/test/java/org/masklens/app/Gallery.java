package org.masklens.app;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.database.Cursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.MediaStore;
import java.io.File;
import java.io.FileNotFoundException;

/** The system's side of MediaStore: one file. */
public final class Gallery extends ContentProvider {
    Uri collection;
    final ContentValues values = new ContentValues();
    int pendingWhileWritten;
    boolean full;

    /** A name of which there are so many files that Android finds none that is free. */
    String exhausted;

    /** Whether that is seen at once, as by Android 10, or when the file is whole, as by later ones. */
    boolean seenAtOnce;

    boolean deleted;
    File file;

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public Uri insert(Uri uri, ContentValues given) {
        collection = uri;
        values.clear();
        values.putAll(given);
        if (seenAtOnce) findName();
        return Uri.withAppendedPath(uri, "1");
    }

    private void findName() {
        if (values.getAsString(MediaStore.MediaColumns.DISPLAY_NAME).equals(exhausted)) {
            throw new IllegalStateException("Failed to build unique file");
        }
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (full) throw new FileNotFoundException("no space left");
        pendingWhileWritten = values.getAsInteger(MediaStore.MediaColumns.IS_PENDING);
        file = new File(getContext().getCacheDir(), "gallery");
        return ParcelFileDescriptor.open(
                file, ParcelFileDescriptor.MODE_CREATE | ParcelFileDescriptor.MODE_TRUNCATE | ParcelFileDescriptor.MODE_READ_WRITE);
    }

    @Override
    public int update(Uri uri, ContentValues given, String selection, String[] arguments) {
        findName();
        values.putAll(given);
        return 1;
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        deleted = true;
        return 1;
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String selection, String[] arguments, String order) {
        return null;
    }

    @Override
    public String getType(Uri uri) {
        return null;
    }
}
