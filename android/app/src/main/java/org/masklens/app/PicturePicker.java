package org.masklens.app;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ClipData;
import android.content.Intent;
import android.net.Uri;
import android.webkit.ValueCallback;
import android.webkit.WebChromeClient.FileChooserParams;
import android.widget.Toast;

/**
 * Opens the system's picker when the page asks for files, and hands back what was chosen. It needs
 * no permission: Android gives the app the chosen files only. Every question is answered once.
 */
final class PicturePicker {
    static final int REQUEST = 2;

    private final Activity activity;
    private ValueCallback<Uri[]> waiting;

    PicturePicker(Activity activity) {
        this.activity = activity;
    }

    void ask(ValueCallback<Uri[]> callback, FileChooserParams wish) {
        close();
        waiting = callback;
        Intent pick = new Intent(Intent.ACTION_GET_CONTENT);
        pick.addCategory(Intent.CATEGORY_OPENABLE);
        pick.setType("*/*");
        pick.putExtra(Intent.EXTRA_MIME_TYPES, new String[] {"image/*", "video/*"});
        boolean several = wish.getMode() == FileChooserParams.MODE_OPEN_MULTIPLE;
        pick.putExtra(Intent.EXTRA_ALLOW_MULTIPLE, several);
        try {
            activity.startActivityForResult(
                    Intent.createChooser(pick, activity.getString(R.string.choose_title)), REQUEST);
        } catch (ActivityNotFoundException noPicker) {
            Toast.makeText(activity, R.string.no_app, Toast.LENGTH_LONG).show();
            close();
        }
    }

    void answered(int result, Intent data) {
        if (waiting != null) waiting.onReceiveValue(result == Activity.RESULT_OK ? chosen(data) : null);
        waiting = null;
    }

    /** Answer with nothing, so that the page may ask again. */
    void close() {
        if (waiting != null) waiting.onReceiveValue(null);
        waiting = null;
    }

    private static Uri[] chosen(Intent data) {
        if (data == null) return null;
        ClipData several = data.getClipData();
        if (several == null) return data.getData() == null ? null : new Uri[] {data.getData()};
        Uri[] uris = new Uri[several.getItemCount()];
        for (int i = 0; i < uris.length; i++) uris[i] = several.getItemAt(i).getUri();
        return uris;
    }
}
