package org.masklens.app;

import android.content.ContentResolver;
import android.content.ContentValues;
import android.content.Context;
import android.net.Uri;
import android.os.Build;
import android.os.Environment;
import android.provider.MediaStore;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/**
 * Puts checked files where people find them, without a permission: from Android 10 the shared
 * Pictures and Download folders; before that the app's own folder, which other apps reach through
 * the share sheet. Every file is whole or not there.
 */
final class FileStore {
    /** The folder's name below Pictures and Download. */
    private static final String ALBUM = "masklens";

    private final Context context;

    FileStore(Context context) {
        this.context = context;
    }

    /** Whether files can be put into folders that all apps see. */
    static boolean hasSharedFolders() {
        return Build.VERSION.SDK_INT >= 29;
    }

    /** Put a file into a folder that all apps see, and return that folder. Android 10 and later. */
    String keep(KeptFile file) throws IOException {
        try {
            return keep(file, file.name);
        } catch (IllegalStateException exhausted) {
            // Android itself numbers files of one name, but no more than 31 of them.
            return keep(file, numbered(file.name, System.currentTimeMillis()));
        }
    }

    private String keep(KeptFile file, String name) throws IOException {
        String top = file.isPicture() ? Environment.DIRECTORY_PICTURES : Environment.DIRECTORY_DOWNLOADS;
        String folder = top + "/" + ALBUM;
        ContentValues values = new ContentValues();
        values.put(MediaStore.MediaColumns.DISPLAY_NAME, name);
        values.put(MediaStore.MediaColumns.MIME_TYPE, file.mime);
        values.put(MediaStore.MediaColumns.RELATIVE_PATH, folder);
        values.put(MediaStore.MediaColumns.IS_PENDING, 1);
        ContentResolver resolver = context.getContentResolver();
        Uri place = resolver.insert(
                file.isPicture()
                        ? MediaStore.Images.Media.EXTERNAL_CONTENT_URI
                        : MediaStore.Downloads.EXTERNAL_CONTENT_URI,
                values);
        if (place == null) throw new IOException("the storage does not answer.");
        try {
            OutputStream out = resolver.openOutputStream(place);
            if (out == null) throw new IOException("the storage does not answer.");
            write(file, out);
            values.clear();
            values.put(MediaStore.MediaColumns.IS_PENDING, 0);
            resolver.update(place, values, null, null);
        } catch (IOException | IllegalStateException failure) {
            resolver.delete(place, null, null);
            throw failure;
        }
        return folder;
    }

    /** Put a file into the app's own folder and return its address for other apps. */
    Uri keepInApp(KeptFile file) throws IOException {
        return put(file, FileProvider.KEPT);
    }

    /** Put a file where it waits for the app it is shared with, and return its address. */
    Uri lend(KeptFile file) throws IOException {
        return put(file, FileProvider.SHARED);
    }

    /** Remove what was lent before. */
    void forgetLent() {
        File[] files = FileProvider.folder(context, FileProvider.SHARED).listFiles();
        if (files == null) return;
        for (File file : files) file.delete();
    }

    private Uri put(KeptFile file, String name) throws IOException {
        File folder = FileProvider.folder(context, name);
        if (folder == null || !(folder.isDirectory() || folder.mkdirs())) {
            throw new IOException("the storage does not answer.");
        }
        File target = free(folder, file.name);
        File part = new File(folder, "." + target.getName() + ".part");
        try {
            write(file, new FileOutputStream(part));
            if (!part.renameTo(target)) throw new IOException("the storage refuses the file.");
        } finally {
            part.delete();
        }
        return FileProvider.uri(name, target);
    }

    /** A file of that name, or "name (2)" and so on when it is taken. */
    private static File free(File folder, String name) {
        File file = new File(folder, name);
        for (int i = 2; file.exists(); i++) file = new File(folder, numbered(name, i));
        return file;
    }

    private static String numbered(String name, long number) {
        int dot = name.lastIndexOf('.');
        return name.substring(0, dot) + " (" + number + ")" + name.substring(dot);
    }

    private static void write(KeptFile file, OutputStream out) throws IOException {
        try {
            out.write(file.content);
        } finally {
            out.close();
        }
    }
}
