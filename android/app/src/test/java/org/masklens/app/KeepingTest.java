package org.masklens.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.ContentProvider;
import android.content.ContentResolver;
import android.content.Intent;
import android.content.pm.ProviderInfo;
import android.database.Cursor;
import android.net.Uri;
import android.provider.MediaStore;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.Base64;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowToast;

/** Keeping and sharing, from the page's call to the bytes that another app reads. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {23, 34})
public class KeepingTest {
    private static final byte[] CONTENT = {9, 8, 7, 6, 5};
    private static final String BASE64 = Base64.getEncoder().encodeToString(CONTENT);

    private ActivityController<MainActivity> controller;
    private MainActivity activity;
    private PageBridge bridge;

    @Before
    public void open() {
        controller = Robolectric.buildActivity(MainActivity.class).setup();
        activity = controller.get();
        bridge = new PageBridge(activity);
    }

    /** The file in the share sheet that the app has opened. */
    private Uri offered(String mime) {
        Intent sheet = shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_CHOOSER, sheet.getAction());
        Intent send = sheet.getParcelableExtra(Intent.EXTRA_INTENT);
        assertEquals(Intent.ACTION_SEND, send.getAction());
        assertEquals(mime, send.getType());
        assertTrue((send.getFlags() & Intent.FLAG_GRANT_READ_URI_PERMISSION) != 0);
        Uri file = send.getParcelableExtra(Intent.EXTRA_STREAM);
        assertEquals("the grant is for the file", file, send.getClipData().getItemAt(0).getUri());
        return file;
    }

    private byte[] read(Uri file) throws IOException {
        try (InputStream in = activity.getContentResolver().openInputStream(file)) {
            return in.readAllBytes();
        }
    }

    @Test
    public void sharesAFileThatTheOtherAppCanReadAndNotWrite() throws IOException {
        bridge.share("faces.jpg", "image/jpeg", BASE64);
        Uri file = offered("image/jpeg");
        assertEquals("content://org.masklens.app.files/shared/faces.jpg", file.toString());
        assertArrayEquals(CONTENT, read(file));
        assertEquals("image/jpeg", activity.getContentResolver().getType(file));
        try (Cursor cursor = activity.getContentResolver().query(file, null, null, null, null)) {
            assertTrue(cursor.moveToFirst());
            assertEquals("faces.jpg", cursor.getString(cursor.getColumnIndex(OpenableColumns.DISPLAY_NAME)));
            assertEquals(CONTENT.length, cursor.getLong(cursor.getColumnIndex(OpenableColumns.SIZE)));
        }
        assertThrows(FileNotFoundException.class, () -> provider().openFile(file, "rw"));
        assertThrows(UnsupportedOperationException.class, () -> provider().delete(file, null, null));
    }

    @Test
    public void forgetsSharedFilesWhenTheAppStartsAnew() {
        bridge.share("faces.jpg", "image/jpeg", BASE64);
        File folder = FileProvider.folder(activity, FileProvider.SHARED);
        assertEquals(1, folder.list().length);
        controller.recreate();
        assertEquals("a new theme is no new start", 1, folder.list().length);
        Robolectric.buildActivity(MainActivity.class).setup();
        assertEquals(0, folder.list().length);
    }

    @Test
    public void keepsTwoFilesOfOneNameApart() throws IOException {
        bridge.share("faces.csv", "text/csv", BASE64);
        Uri first = offered("text/csv");
        bridge.share("faces.csv", "text/csv", Base64.getEncoder().encodeToString(new byte[] {1}));
        Uri second = offered("text/csv");
        assertEquals("faces (2).csv", second.getLastPathSegment());
        assertArrayEquals(CONTENT, read(first));
        assertArrayEquals(new byte[] {1}, read(second));
    }

    @Test
    @Config(sdk = 23)
    public void beforeAndroid10SavingKeepsInTheAppAndOffersTheSheet() throws IOException {
        bridge.save("faces.png", "image/png", BASE64);
        Uri file = offered("image/png");
        assertEquals("content://org.masklens.app.files/kept/faces.png", file.toString());
        assertArrayEquals(CONTENT, read(file));
        Robolectric.buildActivity(MainActivity.class).setup();
        assertArrayEquals("what is kept stays", CONTENT, read(file));
    }

    @Test
    @Config(sdk = 34)
    public void fromAndroid10SavingPutsPicturesIntoPicturesAndTheRestIntoDownloads() throws IOException {
        Gallery gallery = Robolectric.setupContentProvider(Gallery.class, MediaStore.AUTHORITY);
        bridge.save("faces.jpg", "image/jpeg", BASE64);
        assertEquals(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, gallery.collection);
        assertEquals("Pictures/masklens", gallery.values.getAsString(MediaStore.MediaColumns.RELATIVE_PATH));
        assertEquals("faces.jpg", gallery.values.getAsString(MediaStore.MediaColumns.DISPLAY_NAME));
        assertEquals("pending until it is whole", 1, gallery.pendingWhileWritten);
        assertEquals(0, (int) gallery.values.getAsInteger(MediaStore.MediaColumns.IS_PENDING));
        assertArrayEquals(CONTENT, Files.readAllBytes(gallery.file.toPath()));
        shadowOf(android.os.Looper.getMainLooper()).idle();
        assertEquals("Saved in Pictures/masklens", ShadowToast.getTextOfLatestToast());
        assertNull("no share sheet", shadowOf(activity).getNextStartedActivity());

        bridge.save("faces.json", "application/json", BASE64);
        assertEquals(MediaStore.Downloads.EXTERNAL_CONTENT_URI, gallery.collection);
        assertEquals("Download/masklens", gallery.values.getAsString(MediaStore.MediaColumns.RELATIVE_PATH));
    }

    @Test
    @Config(sdk = 34)
    public void savesAlsoWhereAndroidHasNumberedAsManyFilesOfOneNameAsItDoes() throws IOException {
        for (boolean seenAtOnce : new boolean[] {true, false}) {
            Gallery gallery = Robolectric.setupContentProvider(Gallery.class, MediaStore.AUTHORITY);
            gallery.exhausted = "masklens.csv";
            gallery.seenAtOnce = seenAtOnce;
            bridge.save("masklens.csv", "text/csv", BASE64);
            String name = gallery.values.getAsString(MediaStore.MediaColumns.DISPLAY_NAME);
            assertTrue(name, name.matches("masklens \\(\\d{13}\\)\\.csv"));
            assertEquals(0, (int) gallery.values.getAsInteger(MediaStore.MediaColumns.IS_PENDING));
            assertArrayEquals(CONTENT, Files.readAllBytes(gallery.file.toPath()));
            assertEquals("nothing half done stays", !seenAtOnce, gallery.deleted);
        }
    }

    @Test
    @Config(sdk = 34)
    public void aFullStorageLeavesNothingHalfWritten() {
        Gallery gallery = Robolectric.setupContentProvider(Gallery.class, MediaStore.AUTHORITY);
        gallery.full = true;
        assertThrows(IllegalStateException.class, () -> bridge.save("faces.jpg", "image/jpeg", BASE64));
        assertTrue(gallery.deleted);
        shadowOf(android.os.Looper.getMainLooper()).idle();
        assertTrue(ShadowToast.getTextOfLatestToast().startsWith("Not saved: "));
    }

    @Test
    public void refusesWhatIsNoFileOfThePagesAndSaysSo() {
        assertThrows(
                IllegalArgumentException.class,
                () -> bridge.save("x.apk", "application/vnd.android.package-archive", BASE64));
        shadowOf(android.os.Looper.getMainLooper()).idle();
        assertTrue(ShadowToast.getTextOfLatestToast().contains("no type of file"));
        assertNull(shadowOf(activity).getNextStartedActivity());
    }

    @Test
    public void theProviderGivesNothingElse() throws IOException {
        File secret = new File(activity.getCacheDir(), "secret.txt");
        Files.write(secret.toPath(), CONTENT);
        bridge.share("faces.jpg", "image/jpeg", BASE64);
        for (String path : new String[] {
            "shared/..%2Fsecret.txt",
            "shared/../secret.txt",
            "shared/%2E%2E%2Fsecret.txt",
            "shared",
            "shared/",
            "shared/.",
            "shared/absent.jpg",
            "cache/secret.txt",
            "secret.txt",
            "shared/faces.jpg/x",
            ""
        }) {
            Uri uri = Uri.parse("content://org.masklens.app.files/" + path);
            assertThrows(path, FileNotFoundException.class, () -> provider().openFile(uri, "r"));
            try (Cursor cursor = provider().query(uri, null, null, null, null)) {
                assertEquals(path, 0, cursor.getCount());
            }
        }
        assertFalse("other apps cannot ask by themselves", info().exported);
        assertTrue(info().grantUriPermissions);
    }

    private ProviderInfo info() {
        return activity.getPackageManager().resolveContentProvider(FileProvider.AUTHORITY, 0);
    }

    private ContentProvider provider() {
        ContentResolver resolver = activity.getContentResolver();
        return resolver.acquireContentProviderClient(FileProvider.AUTHORITY).getLocalContentProvider();
    }
}
